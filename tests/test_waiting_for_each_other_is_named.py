"""Processes that would wait for each other forever are told so, with the circle."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from llmos.kernel import deadlock
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import State
from llmos.kernel.signals import Signal
from simulation import ROOT, ended, simulate, until
from test_messages_are_received_selectively import ordered, orders


def test_two_and_three_in_a_circle(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        for size in (2, 3):
            for process in list(kernel.table)[1:]:
                await kernel.signal(process, Signal.KILL)
                await ended(process)
            processes = [
                await kernel.spawn(task=None, name="c", root=ROOT, interactive=True)
                for _ in range(size)
            ]
            for number, process in enumerate(processes):
                target = processes[(number + 1) % size].pid
                await kernel.send(process.pid, json.dumps([("receive", {"sender": target})]))
                await until(lambda p: p.waits_for.startswith("a message"), process)
                await asyncio.sleep(0.1)
            last = processes[-1]
            await until(lambda p: p.waits_for == "a message", last)
            told = last.space.resident[2].page.text
            assert told.startswith("EDEADLK: all would wait forever: ")
            named = [
                (int(a), int(b)) for a, b in re.findall(r"process (\d+) waits for (\d+)", told)
            ]
            pids = [process.pid for process in processes]
            expected = set(zip(pids, [*pids[1:], pids[0]], strict=True))
            assert set(named) == expected
            assert all(process.state is State.BLOCKED for process in processes[:-1])
            # The way out: the one that was told answers, and the circle is open.
            await kernel.send(pids[-2], "here", last.pid)
            await until(lambda p: p.waits_for == "a message", processes[-2])

    simulate(tmp_path, main, script=orders)


def test_a_parent_and_a_child_that_wait_for_each_others_end(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        parent = await ordered(kernel, ("wait", {"pid": 3}))
        await kernel.signal(parent, Signal.STOP)
        child = await kernel.spawn(
            task=json.dumps([("wait", {"pid": 2})]), name=None, root=ROOT, parent=2
        )
        await until(lambda: child.waits_for == "process 2")
        await kernel.signal(parent, Signal.CONT)
        _, output = await ended(parent)
        assert output.startswith("EDEADLK: ")
        assert await ended(child) == (0, f"pid 2 exited with status 0: {output}")

    simulate(tmp_path, main, script=orders)


def test_a_wait_for_any_of_several_has_hope_while_one_can_go_on(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        parent = await ordered(kernel, ("wait_any", {}), ("wait_any", {}))
        await kernel.signal(parent, Signal.STOP)
        # One child waits for its parent's end, the other for the outside world.
        stuck = await kernel.spawn(
            task=json.dumps([("wait", {"pid": 2})]), name=None, root=ROOT, parent=2
        )
        free = await kernel.spawn(
            task=json.dumps([("receive", {})]), name=None, root=ROOT, parent=2
        )
        await until(lambda: stuck.waits_for == "process 2" and free.waits_for == "receive")
        await kernel.signal(parent, Signal.CONT)
        await until(lambda: parent.waits_for == "a child")
        await kernel.send(free.pid, "go")
        _, output = await ended(parent)
        first, second = output.split(" | ")
        assert first.startswith(f"pid {free.pid} exited with status 0")
        assert second.startswith("EDEADLK: "), "now nobody is left who could go on"

    simulate(tmp_path, main, script=orders)


def test_a_stopped_process_and_a_timed_wait_are_hope(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        one = await kernel.spawn(task=None, name="one", root=ROOT, interactive=True)
        two = await kernel.spawn(task=None, name="two", root=ROOT, interactive=True)
        await kernel.send(one.pid, json.dumps([("receive", {"sender": two.pid, "timeout": 5.0})]))
        await until(lambda: one.waits_for.startswith("a message from"))
        await kernel.send(two.pid, json.dumps([("receive", {"sender": one.pid})]))
        await until(lambda: two.waits_for.startswith("a message from"))
        await asyncio.sleep(6)
        assert one.space.resident[2].page.text == "ETIME: no message came within 5 s"
        assert len(two.space) == 2

    simulate(tmp_path, main, script=orders)


def test_an_answer_on_its_way_is_no_deadlock(tmp_path: Path) -> None:
    """Whoever has sent what the other waits for may wait for the other, at once."""

    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        for _round in range(10):
            one = await kernel.spawn(task=None, name="one", root=ROOT, interactive=True)
            two = await kernel.spawn(task=None, name="two", root=ROOT, interactive=True)
            await kernel.send(one.pid, json.dumps([("receive", {"sender": two.pid})]))
            await until(lambda p: p.waits_for.startswith("a message from"), one)
            _, letter = kernel.letter(one.pid, "here", two.pid)
            one.mailbox.put(letter)
            deadlock.check(kernel.table, two, {one.pid})  # in the same step of the loop

    simulate(tmp_path, main, script=orders)
