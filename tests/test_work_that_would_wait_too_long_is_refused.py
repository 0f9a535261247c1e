"""When as many wait for the engine as may, new work is refused with a time to try again; what was
accepted is done, and at that time there is room."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from harness import KernelProcess
from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process, State
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import EAGAIN
from simulation import ROOT, Machine, ended, generating, live, simulate, until

ONE_SLOT = Capacity(max_num_seqs=1, window_tokens=4096, kv_cache_tokens=65536)
MOST = 20


async def spawned(kernel: Kernel, task: str = "count 50") -> Process:
    return await kernel.spawn(task=task, name=None, root=ROOT)


async def until_refused(kernel: Kernel) -> tuple[list[Process], EAGAIN]:
    """What was accepted, and how it ended."""
    accepted: list[Process] = []
    while len(accepted) < 10 * MOST:
        try:
            accepted.append(await spawned(kernel))
        except EAGAIN as refusal:
            return accepted, refusal
    raise AssertionError("there is no end to what is accepted")


def test_at_the_time_that_was_named_there_is_room(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        await generating(await spawned(kernel, "count 900"))
        accepted, refusal = await until_refused(kernel)
        assert len(accepted) == MOST
        assert refusal.retry_s is not None and refusal.retry_s >= 1
        assert refusal.hint == f"try again in {refusal.retry_s} s"
        await ended(accepted[3])  # now the pace is known
        accepted += (await until_refused(kernel))[0]
        with pytest.raises(EAGAIN) as again:
            await spawned(kernel)
        await asyncio.sleep(again.value.retry_s or 0)
        accepted.append(await spawned(kernel))
        for process in accepted:
            assert (await ended(process))[0] == 0

    simulate(tmp_path, main, capacity=ONE_SLOT, max_waiting=MOST)


def test_a_burst_is_not_let_in_before_it_is_counted(tmp_path: Path) -> None:
    """All come at once, before any of them could have asked for the engine."""

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        await generating(await spawned(kernel, "count 900"))
        came = await asyncio.gather(
            *(spawned(kernel) for _ in range(5 * MOST)), return_exceptions=True
        )
        accepted = [one for one in came if isinstance(one, Process)]
        refused = [one for one in came if isinstance(one, EAGAIN)]
        assert (len(accepted), len(refused)) == (MOST, 4 * MOST)
        for process in accepted:
            assert (await ended(process))[0] == 0

    simulate(tmp_path, main, capacity=ONE_SLOT, max_waiting=MOST)


def test_forks_are_refused_as_well_and_idle_agents_cost_no_place(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await kernel.send(parent.pid, "hello")
        await until(lambda: parent.waits_for == "a message" and len(parent.space) == 2)
        for _number in range(2 * MOST):  # they wait for a person, not for the engine
            await kernel.spawn(task=None, name=None, root=ROOT, interactive=True)
        await generating(await spawned(kernel, "count 900"))
        accepted, _refusal = await until_refused(kernel)
        assert len(accepted) == MOST
        with pytest.raises(EAGAIN):
            await kernel.fork(parent, task="count 5", interactive=False)
        for process in accepted[:MOST]:
            await kernel.signal(process, Signal.KILL)
        await until(lambda: all(not process.alive for process in accepted))
        fork = await kernel.fork(parent, task="count 5", interactive=False)
        assert await ended(fork) == (0, "1 2 3 4 5")

    simulate(tmp_path, main, capacity=ONE_SLOT, max_waiting=MOST)


def test_what_was_accepted_goes_on_after_a_crash_whatever_the_bound(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        await generating(await spawned(machine.kernel, "count 900"))
        accepted, _refusal = await until_refused(machine.kernel)
        await machine.crash()
        kernel = await machine.boot()
        await until(lambda: kernel.scheduler.num_running == 1)
        for process in accepted:
            assert (await ended(kernel.table.find(process.pid)))[0] == 0

    live(tmp_path, main, capacity=ONE_SLOT, max_waiting=MOST)


def test_agents_at_work_are_not_refused_by_each_other(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        other = await kernel.spawn(task=None, name="o", root=ROOT, interactive=True)
        await until(lambda: other.waits_for == "a message")
        await generating(await spawned(kernel, "count 900"))
        accepted, _refusal = await until_refused(kernel)
        await kernel.send(other.pid, "hello", sender=accepted[0].pid)
        await until(lambda: other.state is State.READY)

    simulate(tmp_path, main, capacity=ONE_SLOT, max_waiting=MOST)


def test_the_command_line_says_so_and_by_its_status() -> None:
    kernel = KernelProcess("--driver=simulated", "--max-waiting=1")
    try:
        kernel.start().ready()
        with kernel.wire() as wire:
            talks = wire.get("spawn", interactive=True, root=str(kernel.root))["pid"]
            while not wire.get("status")["engine"]["waiting"]:  # they take many seconds each
                wire.ask("spawn", task="count 3900", root=str(kernel.root))
            refused = kernel.llmos("run", "count 3")
            assert refused.returncode == 75
            assert "wait for the engine, and no more than 1 may" in refused.stderr
            assert re.search(r"^  try again in \d+ s$", refused.stderr, re.MULTILINE)
            document = json.loads(kernel.llmos("send", str(talks), "hello", "--json").stdout)
            assert document["error"]["code"] == "EAGAIN" and document["error"]["retry_s"] >= 1
    finally:
        kernel.close()
