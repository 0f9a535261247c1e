"""A limit that is reached ends its process within a step of the engine, and no other."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.limits import Limits, parse
from llmos.kernel.process import Process
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import EAGAIN, EINVAL
from simulation import ROOT, Machine, ended, generating, live, simulate

LONG = " ".join(["on"] * 3000)


def script(request: ChatRequest) -> Reply:
    task, last = request.messages[1].text, request.messages[-1]
    if "say in a few words" in last.text:
        return Reply("half is done")
    if task == "calls":
        return Reply(calls=(("list_processes", "{}"),))
    if task == "waits":
        return Reply(calls=(("receive", "{}"),))
    return echo(request) if task.startswith(("call", "count")) else Reply(LONG)


TASKS = {
    "tokens": ("long", 300),
    "syscalls": ("calls", 3),
    "engine_s": ("long", 1),
    "wall_s": ("waits", 5),
    "pages": ("calls", 7),
}


def used(process: Process, resource: str, now: float) -> float:
    if resource == "wall_s":
        return now - process.created
    if resource == "pages":
        return len(process.space)
    return float(getattr(process.accounting, resource))


@pytest.mark.parametrize("resource", TASKS)
def test_the_hard_limit_ends_it_at_once(tmp_path: Path, resource: str) -> None:
    task, amount = TASKS[resource]

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        other = await kernel.spawn(task="count 500", name=None, root=ROOT)
        process = await kernel.spawn(
            task=task, name=None, root=ROOT, limits=parse({resource: amount})
        )
        status, output = await ended(process)
        assert status == 152
        assert output.endswith(f"(the limit of {resource} is reached)")
        over = used(process, resource, kernel.clock()) - amount
        assert 0 <= over <= (0.05 if resource.endswith("_s") else 1)
        assert (await ended(other))[0] == 0

    simulate(tmp_path, main, script=script)


@pytest.mark.parametrize("resource", TASKS)
def test_the_soft_limit_gives_a_last_turn(tmp_path: Path, resource: str) -> None:
    task, amount = TASKS[resource]

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        limits = parse({resource: [amount, 100 * amount]})
        process = await kernel.spawn(task=task, name=None, root=ROOT, limits=limits)
        assert await ended(process) == (152, "half is done")
        told = process.space.resident[-2].page.text
        assert told.startswith(f"(the limit of {resource} is reached: say in a few words")

    simulate(tmp_path, main, script=script)


def test_the_hard_limit_ends_the_last_turn_too(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        limits = parse({"pages": [1, 4]})
        process = await kernel.spawn(task="long", name=None, root=ROOT, limits=limits)
        assert await ended(process) == (152, "half is done")
        limits = parse({"tokens": [300, 301]})
        process = await kernel.spawn(task="long", name=None, root=ROOT, limits=limits)
        status, output = await ended(process)
        assert status == 152 and "the limit of tokens is reached" in output

    simulate(tmp_path, main, script=script)


@pytest.mark.parametrize("how", ["idle", "stopped", "waiting", "crashed"])
def test_time_passes_whatever_the_process_does(tmp_path: Path, how: str) -> None:
    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        process = await kernel.spawn(
            task="waits" if how == "waiting" else "long" if how == "stopped" else None,
            name="p",
            root=ROOT,
            interactive=how != "waiting",
            limits=parse({"wall_s": 5}),
        )
        if how == "stopped":
            await generating(process)
            await kernel.signal(process, Signal.STOP)
        if how == "crashed":
            await asyncio.sleep(1)
            await machine.crash()
            await asyncio.sleep(3)
            process = (await machine.boot()).table.find(process.pid)
        assert (await ended(process))[0] == 152
        assert 5 <= asyncio.get_running_loop().time() - process.created < 5.1

    live(tmp_path, main, script=script)


def test_what_was_used_before_a_crash_counts(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        process = await machine.kernel.spawn(
            task="long", name=None, root=ROOT, limits=parse({"tokens": 1000})
        )
        lives = 0
        while process.alive:
            await asyncio.sleep(0.6)
            if process.alive:
                await machine.crash()
                process = (await machine.boot()).table.find(process.pid)
                lives += 1
        assert lives >= 2
        assert (await ended(process))[0] == 152
        assert machine.driver.totals.tokens_out < 1000

    live(tmp_path, main, script=script)


def test_they_are_inherited_and_never_more_than_the_parents(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        limits = parse({"tokens": [800, 1000], "children": 3})
        parent = await kernel.spawn(task="long", name=None, root=ROOT, limits=limits)
        for asked, got in (
            ({}, {"tokens": [800, 1000], "children": 3}),
            ({"tokens": 5000}, {"tokens": [800, 1000], "children": 3}),
            ({"tokens": [100, 9000], "pages": 9}, {"tokens": [100, 1000], "pages": 9}),
        ):
            child = await kernel.spawn(
                task="long", name=None, root=ROOT, parent=parent.pid, limits=parse(asked)
            )
            expected = parse({"children": 3, **got})
            assert child.limits == expected, asked
        await kernel.signal(child, Signal.KILL)
        await ended(child)
        await kernel.reap(child)
        assert (await kernel.fork(parent)).limits == limits

    simulate(tmp_path, main, script=script)


def test_what_is_held_is_refused_and_nobody_ends(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        limits = parse({"children": 2, "depth": 3})
        parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True, limits=limits)

        async def spawn(pid: int) -> Process:
            return await kernel.spawn(task="waits", name=None, root=ROOT, parent=pid)

        births = [spawn(parent.pid) for _ in range(5)]  # at once, too
        outcomes = await asyncio.gather(*births, return_exceptions=True)
        children = [one for one in outcomes if isinstance(one, Process)]
        assert len(children) == 2
        refused = [str(one) for one in outcomes if isinstance(one, EAGAIN)]
        assert len(refused) == 3 and "has 2 children, which is its limit" in refused[0]
        with pytest.raises(EAGAIN, match="3 levels below the first, which is the limit"):
            await spawn((await spawn(children[0].pid)).pid)
        assert all(process.alive for process in kernel.table)

    simulate(tmp_path, main, script=script)


def test_as_a_syscall_the_refusal_is_read_by_the_agent(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(
            task="call spawn " + json.dumps({"task": "x"}),
            name=None,
            root=ROOT,
            limits=parse({"children": 0}),
        )
        status, output = await ended(process)
        assert status == 0 and output.startswith("EAGAIN: process 2 has 0 children")

    simulate(tmp_path, main, script=script)


@pytest.mark.parametrize(
    "wrong", [{"tokens": -1}, {"tokens": [9, 5]}, {"toes": 1}, {"tokens": True}, {"tokens": "9"}]
)
def test_a_limit_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(EINVAL):
        parse(wrong)


def test_limits_survive_being_written_down() -> None:
    limits = parse({"tokens": [800, 1000], "wall_s": [1.5, None], "pages": 3})
    assert parse(limits.given) == limits
    assert limits.attenuated(Limits()) == Limits().attenuated(limits) == limits
