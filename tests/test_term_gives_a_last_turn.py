"""TERM lets a process say what it has done and what it has not, in a turn that has bounds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.kernel.signals import Signal
from simulation import ROOT, Machine, ended, generating, live, simulate, until


def script(request: ChatRequest) -> Reply:
    """`long` talks without end, `talker` in its last turn, too; `caller` calls in it."""
    task = request.messages[1].text
    last = request.messages[-1].text
    if last.startswith("(") and "say in a few words" in last:
        if task == "talker":
            return Reply(" ".join(["bye"] * 3000))
        if task == "caller":
            return Reply("one more", calls=(("receive", "{}"),))
        return Reply("half is done")
    if task in ("waiter", "caller"):
        return Reply(calls=(("receive", "{}"),))
    return Reply(" ".join(["on"] * 3000))


async def at_work(kernel: Kernel, task: str = "long") -> Process:
    process = await kernel.spawn(task=task, name=None, root=ROOT)
    if task in ("waiter", "caller"):
        await until(lambda: process.waits_for == "receive")
    else:
        await generating(process)
    return process


def test_it_says_what_is_done_and_ends_with_143(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await at_work(kernel)
        await kernel.signal(process, Signal.TERM)
        assert await ended(process) == (143, "half is done")
        roles = [(e.page.role, e.page.interrupted) for e in process.space.resident]
        assert roles == [
            ("user", False),
            ("assistant", True),
            ("user", False),
            ("assistant", False),
        ]

    simulate(tmp_path, main, script=script)


def test_a_call_under_way_is_cut_off_first(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await at_work(kernel, "waiter")
        await kernel.signal(process, Signal.TERM)
        assert await ended(process) == (143, "half is done")
        assert process.space.resident[2].page.text == "EINTR: interrupted"

    simulate(tmp_path, main, script=script)


def test_the_last_turn_is_bounded_in_tokens(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await at_work(kernel, "talker")
        await kernel.signal(process, Signal.TERM)
        await until(lambda: process.ending != 0)
        before = process.accounting.tokens_out
        status, output = await ended(process)
        assert (status, len(output.split())) == (143, 20)
        assert process.accounting.tokens_out - before == 20

    simulate(tmp_path, main, script=script, last_turn_tokens=20)


def test_the_last_turn_makes_no_calls(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await at_work(kernel, "caller")
        await kernel.signal(process, Signal.TERM)
        assert await ended(process, timeout_s=1) == (143, "one more")

    simulate(tmp_path, main, script=script)


def test_the_last_turn_is_bounded_in_time_also_over_a_stop_and_a_crash(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        for stop in (False, True):
            process = await at_work(machine.kernel, "talker")
            pid, loop = process.pid, asyncio.get_running_loop()
            await machine.kernel.signal(process, Signal.TERM)
            await until(lambda p: p.ending != 0, process)
            began = loop.time()
            if stop:
                await machine.kernel.signal(process, Signal.STOP)
            await asyncio.sleep(0.5)
            await machine.crash()
            process = (await machine.boot()).table.find(pid)
            status, _ = await ended(process)
            assert status == 143
            assert loop.time() - began < 2.1

    live(tmp_path, main, script=script, last_turn_s=2.0, last_turn_tokens=100_000)


def test_who_is_told_twice_ends_at_once(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await at_work(kernel, "talker")
        await kernel.signal(process, Signal.TERM)
        await until(lambda: process.ending != 0)
        await kernel.signal(process, Signal.TERM)
        status, _ = await ended(process, timeout_s=0.01)
        assert status == 143

    simulate(tmp_path, main, script=script, last_turn_tokens=3000)


@pytest.mark.parametrize("ticks", range(0, 24, 2))
def test_kill_wins_whenever_it_comes(tmp_path: Path, ticks: int) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await at_work(kernel, "talker")
        term = asyncio.create_task(kernel.signal(process, Signal.TERM))
        for _tick in range(ticks):
            await asyncio.sleep(0)
        await asyncio.gather(term, kernel.signal(process, Signal.KILL))
        status, _ = await ended(process, timeout_s=0.1)
        assert status == 137

    simulate(tmp_path, main, script=script, last_turn_tokens=3000)


def test_an_idle_process_ends_at_once(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await until(lambda: process.waits_for == "a message")
        await kernel.signal(process, Signal.TERM)
        assert await ended(process, timeout_s=0.01) == (143, "")
        assert len(process.space) == 0

    simulate(tmp_path, main, script=script)


@pytest.mark.parametrize("weaker", [Signal.INT, Signal.TERM])
@pytest.mark.parametrize("first", [True, False])
def test_a_kill_that_was_acknowledged_is_not_weakened_by_a_crash(
    tmp_path: Path, weaker: Signal, first: bool
) -> None:
    """Two signals on their way at once: the journal keeps the stronger one."""

    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        process = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await kernel.send(process.pid, "long")
        await generating(process)
        pair = [Signal.KILL, weaker] if first else [weaker, Signal.KILL]
        both = [asyncio.create_task(kernel.signal(process, one)) for one in pair]
        await asyncio.sleep(0)
        # Behind both, and before the process can obey.
        query = "SELECT pending FROM process WHERE pid = ?"
        row = await kernel.journal.read(lambda c: c.execute(query, (process.pid,)).fetchone())
        assert row == ("KILL",)
        await asyncio.gather(*both)
        await machine.crash()
        again = (await machine.boot()).table.find(process.pid)
        assert (await ended(again, timeout_s=1))[0] == 137

    live(tmp_path, main, script=script)


def test_xcpu_from_outside_is_a_term_of_another_name(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await at_work(kernel, "waiter")
        await kernel.signal(process, Signal.XCPU)
        assert await ended(process) == (152, "half is done")

    simulate(tmp_path, main, script=script)
