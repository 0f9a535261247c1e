"""A process receives from whom it wants to, and each message exactly once, over crashes too."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.kernel.signals import Signal
from simulation import ROOT, Machine, ended, live, simulate, until


def orders(request: ChatRequest) -> Reply:
    """The task is a list of calls, made one after the other; the results are the answer."""
    task = next((m.text for m in request.messages if m.text.startswith("[")), "")
    results = [m.text for m in request.messages if m.role == "tool"]
    calls = json.loads(task) if task else []
    if len(results) < len(calls):
        name, arguments = calls[len(results)]
        return Reply(calls=((name, json.dumps(arguments)),))
    return Reply(" | ".join(results) or "idle")


async def ordered(kernel: Kernel, *calls: tuple[str, Mapping[str, object]]) -> Process:
    return await kernel.spawn(task=json.dumps(calls), name="o", root=ROOT)


def test_by_sender_while_others_wait(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        sender = await kernel.spawn(task=None, name="s", root=ROOT, interactive=True)
        reader = await ordered(
            kernel, ("receive", {"sender": sender.pid}), ("receive", {}), ("receive", {"sender": 0})
        )
        await kernel.send(reader.pid, "first")
        await until(lambda: reader.waits_for == f"a message from process {sender.pid}")
        await kernel.send(reader.pid, "second", sender.pid)
        await kernel.send(reader.pid, "third")
        _, output = await ended(reader)
        assert output == (f"pid {sender.pid} says: second | pid 0 says: first | pid 0 says: third")

    simulate(tmp_path, main, script=orders)


def test_a_timeout_is_etime_and_takes_nothing(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        sender = await kernel.spawn(task=None, name="s", root=ROOT, interactive=True)
        timed = {"sender": sender.pid, "timeout": 2.0}
        reader = await ordered(kernel, ("receive", timed), ("receive", {}))
        began = asyncio.get_running_loop().time()
        await kernel.send(reader.pid, "other")
        _, output = await ended(reader)
        assert output == "ETIME: no message came within 2 s | pid 0 says: other"
        assert 2 <= asyncio.get_running_loop().time() - began < 2.2

    simulate(tmp_path, main, script=orders)


@pytest.mark.parametrize("reaped", [True, False])
def test_of_a_sender_that_has_ended_or_does_nothing_more_is_expected(
    tmp_path: Path, reaped: bool
) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        sender = await kernel.spawn(task=None, name="s", root=ROOT, interactive=True)
        reader = await ordered(kernel, *[("receive", {"sender": sender.pid})] * 3)
        await kernel.send(reader.pid, "last words", sender.pid)
        await until(lambda: reader.waits_for.startswith("a message from"))
        await kernel.signal(sender, Signal.KILL)
        await ended(sender)
        if reaped:
            await kernel.reap(sender)
        _, output = await ended(reader, timeout_s=1)
        results = output.split(" | ")
        assert results[0] == f"pid {sender.pid} says: last words"
        assert all(result.startswith("ESRCH: ") for result in results[1:])

    simulate(tmp_path, main, script=orders)


def test_usr1_is_a_message_with_a_name(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await kernel.signal(process, Signal.USR1, "look")
        await until(lambda: len(process.space) == 2)
        assert process.space.resident[0].page.text == "(USR1) look"

    simulate(tmp_path, main, script=orders)


def test_a_message_of_another_process_says_whose_it_is(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        reader = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        sender = await ordered(kernel, ("send", {"pid": reader.pid, "text": "hello"}))
        await ended(sender)
        await until(lambda: len(reader.space) == 2)
        assert reader.space.resident[0].page.text == f"(process {sender.pid} says) hello"

    simulate(tmp_path, main, script=orders)


@pytest.mark.parametrize("seed", range(4))
def test_exactly_once_over_crashes(tmp_path: Path, seed: int) -> None:
    """Ten senders, a reader, and a crash every moment: what was sent is read once."""
    count = 30

    async def main(machine: Machine) -> None:
        rng = random.Random(seed)
        reader = (await ordered(machine.kernel, *[("receive", {})] * count)).pid
        senders = [
            (
                await ordered(
                    machine.kernel,
                    *[("send", {"pid": reader, "text": f"m{who}-{n}"}) for n in range(3)],
                )
            ).pid
            for who in range(10)
        ]
        crashes = 0
        while machine.kernel.table.find(reader).alive:
            await asyncio.sleep(rng.uniform(0, 0.05))
            if machine.kernel.table.find(reader).alive and crashes < 40:
                await machine.crash()
                await machine.boot()
                crashes += 1
        assert crashes > 5
        for pid in senders:
            assert "EINTR" not in (await ended(machine.kernel.table.find(pid)))[1]
        _, output = await ended(machine.kernel.table.find(reader))
        said = [result.split(": ")[1] for result in output.split(" | ")]
        assert sorted(said) == sorted(f"m{who}-{n}" for who in range(10) for n in range(3))
        for who in range(10):
            assert [one for one in said if one.startswith(f"m{who}-")] == [
                f"m{who}-{n}" for n in range(3)
            ], "in the order of their sending"

    live(tmp_path, main, script=orders, max_steps=100)


@pytest.mark.parametrize("seed", range(3))
def test_a_child_is_reported_to_whoever_waits_over_crashes(tmp_path: Path, seed: int) -> None:
    """The end of a child is reported once, and reaped with the report."""
    count = 6

    async def main(machine: Machine) -> None:
        rng = random.Random(seed)
        kernel = machine.kernel
        parent = await ordered(kernel, *[("wait_any", {})] * count)
        await kernel.signal(parent, Signal.STOP)
        for number in range(count):
            await kernel.spawn(
                task=f'[["receive", {{"timeout": {number / 50}}}]]',
                name=None,
                root=ROOT,
                parent=parent.pid,
            )
        await kernel.signal(parent, Signal.CONT)
        for _crash in range(25):
            await asyncio.sleep(rng.uniform(0, 0.15))
            await machine.crash()
            await machine.boot()
        _, output = await ended(machine.kernel.table.find(parent.pid))
        pids = [int(result.split()[1]) for result in output.split(" | ")]
        assert sorted(pids) == list(range(parent.pid + 1, parent.pid + 1 + count))
        assert [p.pid for p in machine.kernel.table] == [1, parent.pid]

    live(tmp_path, main, script=orders, max_steps=100)
