"""A budget is passed on to children, and what they leave comes back: tokens are neither made nor
lost, whoever ends when."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.journal import JournalError
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import EAGAIN, EINVAL, SyscallError
from simulation import ROOT, Machine, ended, live, simulate, until
from test_a_full_disk_loses_nothing import full_disk

GRANTED = 10_000
ROWS = "SELECT pid, budget FROM process WHERE reaped = 0"


async def written(kernel: Kernel) -> int:
    """All budgets together as the journal has them, of ended and reaped processes too."""
    query = "SELECT SUM(budget) FROM process"
    total: int = await kernel.journal.read(lambda c: c.execute(query).fetchone()[0])
    return total


async def founder(kernel: Kernel) -> Process:
    return await kernel.spawn(task=None, name="f", root=ROOT, interactive=True, budget=GRANTED)


def test_a_child_takes_what_it_asks_for_or_half(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await founder(kernel)
        child = await kernel.spawn(task=None, name="c", root=ROOT, interactive=True, parent=2)
        assert (parent.budget, child.budget) == (5000, 5000)
        other = await kernel.fork(parent, budget=1000)
        assert (parent.budget, other.budget) == (4000, 1000)
        with pytest.raises(EAGAIN, match="process 2 has 4000 tokens of its budget left, 4001"):
            await kernel.fork(parent, budget=4001)
        with pytest.raises(EINVAL, match="a budget of 0 tokens is none"):
            await kernel.fork(parent, budget=0)
        assert await written(kernel) == GRANTED

    simulate(tmp_path, main)


def test_what_a_child_leaves_comes_back(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await founder(kernel)
        child = await kernel.spawn(task="count 100", name=None, root=ROOT, parent=2, budget=2000)
        await ended(child)
        spent = child.accounting.tokens
        assert spent > 100
        assert (parent.budget, child.budget) == (GRANTED - spent, spent)
        assert await written(kernel) == GRANTED

    simulate(tmp_path, main)


async def killed(kernel: Kernel, process: Process) -> None:
    await kernel.signal(process, Signal.KILL)
    await process.exited.wait()


@pytest.mark.parametrize("crashes", [False, True])
def test_what_is_left_goes_to_the_nearest_that_lives(tmp_path: Path, crashes: bool) -> None:
    """Of four in a line the two in the middle end first, the lower one before the upper one."""

    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        line = [await founder(kernel)]
        for budget in (6000, 3000, 1000):
            line.append(await kernel.fork(line[-1], budget=budget))
        for middle in (line[2], line[1]):
            await killed(kernel, middle)
        assert [one.budget for one in line] == [9000, 0, 0, 1000]
        if crashes:
            await machine.crash()
            kernel = await machine.boot()
        first, last = kernel.table.find(line[0].pid), kernel.table.find(line[3].pid)
        assert last.parent == 1
        await kernel.send(last.pid, "count 20")
        await until(lambda: len(last.space) == 2)
        await killed(kernel, last)
        spent = last.accounting.tokens
        assert spent > 20
        assert (first.budget, last.budget) == (GRANTED - spent, spent)
        assert await written(kernel) == GRANTED

    live(tmp_path, main)


@pytest.mark.parametrize("disk_ticks", [0, 5])
def test_all_of_it_comes_back_from_those_that_end_at_once(tmp_path: Path, disk_ticks: int) -> None:
    async def main(machine: Machine) -> None:
        await machine.park()
        machine.disk_ticks = disk_ticks
        kernel = await machine.boot()
        rng = random.Random(9)
        first = await founder(kernel)
        for _round in range(40):
            line = [first]
            for _child in range(5):
                line.append(await kernel.fork(line[rng.randrange(len(line))]))
            others = line[1:]
            rng.shuffle(others)
            ends = []
            for one in others:
                ends.append(asyncio.create_task(killed(kernel, one)))
                for _tick in range(rng.randrange(4)):
                    await asyncio.sleep(0)
            await asyncio.gather(*ends)
            assert first.budget == GRANTED

    live(tmp_path, main)


def test_who_has_spent_it_ends(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(task="count 3000", name=None, root=ROOT, budget=500)
        status, output = await ended(process)
        assert status == 152
        assert output.endswith("(the limit of budget is reached)")
        assert process.accounting.tokens == 500

    simulate(tmp_path, main)


def bomb(request: ChatRequest) -> Reply:
    return Reply(calls=(("fork", "{}"), ("fork", "{}")))


def test_a_fork_bomb_starves_itself(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        await kernel.spawn(task="boom", name=None, root=ROOT, budget=GRANTED)
        other = await kernel.spawn(task="count 3", name=None, root=ROOT)
        await until(lambda: all(not p.alive for p in kernel.table if p.pid not in (1, other.pid)))
        assert await ended(other) == (0, "1 2 3")
        born = kernel.table.new_pid() - 3
        totals = driver.totals
        spent = totals.tokens_in - totals.tokens_cached + totals.tokens_out
        assert 5 < born < 1000
        assert spent < GRANTED + 60 * born, "each may end over by the step that it was in"

    async def body(kernel: Kernel, driver: SimulatedDriver) -> None:
        await main(kernel, driver)

    simulate(tmp_path, body, script=lambda r: echo(r) if "count" in r.messages[1].text else bomb(r))


def test_whoever_ends_when_they_are_conserved(tmp_path: Path) -> None:
    """Births, ends of parents and children at once, cancelled clients, crashes."""

    async def main(machine: Machine) -> None:
        rng = random.Random(8)
        kernel = machine.kernel
        granted = 0
        for _step in range(120):
            alive = [p for p in kernel.table if p.alive and p.budget is not None]
            if len(alive) < 3:
                alive.append(await founder(kernel))
                granted += GRANTED
            acts = []
            for _act in range(rng.randrange(1, 5)):
                process = rng.choice(alive)
                if rng.random() < 0.6:
                    acts.append(asyncio.create_task(birth(kernel, process, rng)))
                else:
                    acts.append(asyncio.create_task(kernel.signal(process, Signal.KILL)))
            for _tick in range(rng.randrange(6)):
                await asyncio.sleep(0)
            if rng.random() < 0.3:
                rng.choice(acts).cancel()
            await asyncio.gather(*acts, return_exceptions=True)
            if rng.random() < 0.2:
                await asyncio.sleep(rng.random())
            if rng.random() < 0.1:
                await machine.crash()
                kernel = await machine.boot()
            assert await written(kernel) == granted
            await memory_is_what_the_journal_holds(kernel)

    async def memory_is_what_the_journal_holds(kernel: Kernel) -> None:
        rows: dict[int, int | None] = {}

        def compare() -> None:  # as the journal settles: later ones have happened in neither
            for process in kernel.table:
                if process.pid in rows and not kernel._unborn:
                    assert process.budget == rows[process.pid], process.pid

        await kernel.journal.write(lambda c: rows.update(c.execute(ROWS).fetchall()), compare)

    async def birth(kernel: Kernel, process: Process, rng: random.Random) -> None:
        budget = rng.choice([None, None, 50])
        try:
            if rng.random() < 0.5:
                await kernel.fork(process, task="count 20", budget=budget)
            else:
                await kernel.spawn(
                    task="count 20", name=None, root=ROOT, parent=process.pid, budget=budget
                )
        except SyscallError:
            pass

    live(tmp_path, main)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_birth_that_fails_gives_its_share_back(tmp_path: Path, cancelled: bool) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await founder(kernel)
        with full_disk():
            birth = asyncio.create_task(kernel.fork(parent, budget=100))
            await asyncio.sleep(0)
            if cancelled:
                birth.cancel()
            (outcome,) = await asyncio.gather(birth, return_exceptions=True)
            await asyncio.sleep(0.1)
        assert isinstance(outcome, asyncio.CancelledError if cancelled else JournalError)
        assert parent.budget == GRANTED
        assert not kernel._unborn

    simulate(tmp_path, main)
