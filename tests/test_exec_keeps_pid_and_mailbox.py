"""exec replaces what a process does; who it is, and what waits for it, stays."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.limits import parse
from llmos.kernel.process import Process, State
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import EAGAIN, ESRCH, SyscallError
from simulation import ROOT, Machine, ended, generating, live, simulate, until


def texts(process: Process) -> list[str]:
    return [entry.page.text for entry in process.space.resident]


def test_pid_tree_limits_usage_and_mailbox_stay(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        limits = parse({"tokens": 50_000})
        process = await kernel.spawn(
            task="count 3000", name=None, root=ROOT, parent=parent.pid, limits=limits
        )
        await generating(process)
        await kernel.send(process.pid, "a letter")
        used = process.accounting.tokens_out
        assert used > 10
        await kernel.exec(process, task="count 3")
        await until(lambda: len(process.space) == 4)
        assert texts(process) == ["a letter", "You said: a letter", "count 3", "1 2 3"]
        assert await ended(process) == (0, "1 2 3")
        assert (process.parent, process.limits, process.image) == (parent.pid, limits, 1)
        assert process.accounting.tokens_out >= used + 3

    simulate(tmp_path, main)


def test_a_process_can_do_it_to_itself_and_the_old_pages_stay_readable(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        call = "call exec " + json.dumps({"task": "count 2"})
        process = await kernel.spawn(task=call, name=None, root=ROOT)
        assert await ended(process) == (0, "1 2")
        assert texts(process) == ["count 2", "1 2"]
        query = "SELECT image, COUNT(*) FROM page_table WHERE pid = ? GROUP BY image"
        rows = await kernel.journal.read(lambda c: c.execute(query, (process.pid,)).fetchall())
        assert rows == [(0, 2), (1, 2)]
        await machine.crash()
        again = (await machine.boot()).table.find(process.pid)
        assert texts(again) == ["count 2", "1 2"]

    live(tmp_path, main)


@pytest.mark.parametrize("ticks", range(0, 30, 2))
def test_at_any_moment_it_leaves_one_program_at_work(tmp_path: Path, ticks: int) -> None:
    """Several at once, too: one wins, the others are told to try again."""

    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await kernel.send(process.pid, "call list_processes")
        for _tick in range(ticks):
            await asyncio.sleep(0.001)
        outcomes = await asyncio.gather(
            *(kernel.exec(process, task=f"count {number}") for number in (1, 2, 3)),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if outcome is not None]
        assert len(refused) == 2
        assert all(isinstance(one, EAGAIN) and "is being replaced" in str(one) for one in refused)
        await until(lambda: process.waits_for == "a message")
        steppers = [t for t in asyncio.all_tasks() if t.get_name() == f"process {process.pid}"]
        assert len(steppers) == 1
        assert process.image == 1
        await kernel.send(process.pid, "again")
        await until(lambda: texts(process)[-1] == "You said: again")

    simulate(tmp_path, main)


def test_of_a_process_that_ends_it_is_refused(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        for ticks in range(20):
            process = await kernel.spawn(task="count 3000", name=None, root=ROOT)
            await generating(process)
            await kernel.signal(process, Signal.KILL)
            for _tick in range(ticks):
                await asyncio.sleep(0)
            try:
                await kernel.exec(process, task="count 2")
                assert process.alive, "of one that has ended nothing is replaced"
            except SyscallError as error:
                assert isinstance(error, ESRCH | EAGAIN)
                assert process.image == 0
            status, _ = await ended(process)
            assert status == 137, "who is told to end ends"
            assert process.state is State.ZOMBIE

    simulate(tmp_path, main)


def test_a_client_that_goes_away_does_not_leave_it_half_done(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        for ticks in range(15):
            process = await kernel.spawn(task="count 3000", name=None, root=ROOT)
            await generating(process, 0.02)
            client = asyncio.create_task(kernel.exec(process, task="count 2"))
            for _tick in range(ticks):
                await asyncio.sleep(0)
            client.cancel()
            await asyncio.gather(client, return_exceptions=True)
            if ticks:  # else it had not begun
                assert await ended(process) == (0, "1 2")

    simulate(tmp_path, main)


def test_the_calls_of_its_next_program_are_not_taken_for_old_ones(tmp_path: Path) -> None:
    """Call ids begin anew; a crash during a call must not hang on to them."""

    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        target = await kernel.spawn(task="count 3000", name=None, root=ROOT)
        await generating(target)
        process = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await kernel.send(process.pid, "call kill " + json.dumps({"pid": target.pid}))
        await until(lambda: target.ending != 0)  # `kill`, which must not be repeated, waits
        await kernel.signal(process, Signal.STOP)
        await machine.crash()
        kernel = await machine.boot()
        process = kernel.table.find(process.pid)
        assert kernel.interrupted_calls
        await kernel.exec(process, task="call list_processes")
        await kernel.signal(process, Signal.CONT)
        await until(lambda: len(process.space) == 4)
        assert texts(process)[2].startswith("1 blocked init")
        await machine.crash()
        assert not (await machine.boot()).interrupted_calls

    live(tmp_path, main, last_turn_tokens=10_000)
