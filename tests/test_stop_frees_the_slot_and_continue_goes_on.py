"""STOP takes a process out of the engine with what it has said; CONT lets it go on from there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llmos.kernel import messages
from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.mailbox import Message
from llmos.kernel.process import State
from llmos.kernel.signals import Signal
from simulation import ROOT, Machine, ended, generating, live, simulate, until

ONE_SLOT = Capacity(max_num_seqs=1, window_tokens=4096, kv_cache_tokens=65536)
NUMBERS = " ".join(map(str, range(1, 41)))


def test_the_slot_is_free_at_once(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        long = await kernel.spawn(task="count 3000", name=None, root=ROOT)
        await generating(long)
        short = await kernel.spawn(task="count 3", name=None, root=ROOT)
        await asyncio.sleep(0.1)
        assert short.state is State.READY, "it waits for the only slot"
        await kernel.signal(long, Signal.STOP)
        assert await ended(short, timeout_s=0.1) == (0, "1 2 3")
        assert long.state is State.STOPPED
        assert kernel.engine.status(0).running == 0
        await kernel.signal(long, Signal.CONT)
        status, output = await ended(long)
        assert (status, len(output.split())) == (0, 3000)

    simulate(tmp_path, main, capacity=ONE_SLOT)


def test_the_answer_is_that_of_an_unstopped_run_wherever_it_is_stopped(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        for stop in range(40):
            process = await kernel.spawn(task="count 40", name=None, root=ROOT)
            heard: list[messages.Event] = []
            kernel.bus.attach(process.pid, heard.append)
            await until(lambda p: p.state is State.RUNNING, process)
            before = driver.totals.tokens_out
            while driver.totals.tokens_out - before < stop and process.alive:
                await asyncio.sleep(0.0005)
            await kernel.signal(process, Signal.STOP)
            await asyncio.sleep(1)
            done = driver.totals.tokens_out
            await asyncio.sleep(1)
            assert driver.totals.tokens_out == done, "nothing is generated for a stopped process"
            await kernel.signal(process, Signal.CONT)
            assert await ended(process) == (0, NUMBERS)
            shown = [event.text for event in heard if isinstance(event, messages.Text)]
            assert "".join(shown) == NUMBERS, "each word is shown once"

    simulate(tmp_path, main)


@pytest.mark.parametrize("ticks", range(12))
def test_stop_and_continue_may_come_as_quickly_as_they_like(tmp_path: Path, ticks: int) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(task="count 40", name=None, root=ROOT)
        await generating(process, 0.02)
        for _number in range(10):
            stop = asyncio.create_task(kernel.signal(process, Signal.STOP))
            for _tick in range(ticks):
                await asyncio.sleep(0)
            await asyncio.gather(stop, kernel.signal(process, Signal.CONT))
        assert await ended(process) == (0, NUMBERS)

    simulate(tmp_path, main)


def waiter(request: ChatRequest) -> Reply:
    """`go` waits for a message; what it reads is its answer."""
    last = request.messages[-1]
    if last.role == "user" and last.text == "go":
        return Reply(calls=(("receive", "{}"),))
    return echo(request)


def test_a_syscall_under_way_is_finished_first(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(task="go", name=None, root=ROOT)
        await until(lambda: process.waits_for == "receive")
        await kernel.signal(process, Signal.STOP)
        await asyncio.sleep(1)
        await kernel.send(process.pid, "hello")
        await until(lambda: process.state is State.STOPPED)
        last = process.space.last
        assert last is not None and last.text == "pid 0 says: hello"
        await asyncio.sleep(10)
        assert len(process.space) == 3, "it does not go on"
        await kernel.signal(process, Signal.CONT)
        assert await ended(process) == (0, "pid 0 says: hello")

    simulate(tmp_path, main, script=waiter)


def test_a_stopped_process_survives_a_crash_as_stopped(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        process = await machine.kernel.spawn(task="count 40", name=None, root=ROOT)
        await generating(process, 0.04)
        await machine.kernel.signal(process, Signal.STOP)
        await until(lambda: process.state is State.STOPPED)
        said = process.draft.text
        assert said
        await machine.crash()
        kernel = await machine.boot()
        again = kernel.table.find(process.pid)
        await asyncio.sleep(10)
        assert again.state is State.STOPPED
        assert again.draft.text == said, "what was generated is not generated again"
        await kernel.signal(again, Signal.CONT)
        assert await ended(again) == (0, NUMBERS)
        assert again.accounting.tokens_out == 40

    live(tmp_path, main)


@pytest.mark.parametrize("at", ["idle", "in a turn"])
def test_an_interrupt_leaves_a_stopped_process_stopped_and_the_kernel_alive(
    tmp_path: Path, at: str
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        if at == "in a turn":
            await kernel.send(process.pid, "count 3000")
            await generating(process)
        await kernel.signal(process, Signal.STOP)
        await until(lambda: process.state is State.STOPPED)
        await kernel.signal(process, Signal.INT)
        await asyncio.sleep(1)
        other = await kernel.spawn(task="count 2", name=None, root=ROOT)
        assert await ended(other) == (0, "1 2")
        assert process.state is State.STOPPED and process.pending is None
        await kernel.signal(process, Signal.CONT)
        await until(lambda: process.waits_for == "a message")
        last = process.space.last
        assert (last is not None and last.interrupted) == (at == "in a turn")

    simulate(tmp_path, main)


@pytest.mark.parametrize("ticks", range(12))
def test_a_message_that_comes_as_its_reader_falls_asleep_wakes_it(
    tmp_path: Path, ticks: int
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await until(lambda: process.waits_for == "a message")
        process.deliver(Signal.INT)  # it wakes up, finds nothing to end, and waits again
        for _tick in range(ticks):
            await asyncio.sleep(0)
        process.mailbox.put(Message(99, "hello"))
        await until(lambda: len(process.space) == 2, timeout_s=1)

    simulate(tmp_path, main)


def test_kill_ends_a_stopped_process(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        for signal, status in ((Signal.KILL, 137), (Signal.TERM, 143), (Signal.INT, 130)):
            process = await kernel.spawn(task="count 3000", name=None, root=ROOT)
            await generating(process)
            await kernel.signal(process, Signal.STOP)
            await until(lambda p: p.state is State.STOPPED, process)
            await kernel.signal(process, signal)
            assert (await ended(process))[0] == status

    simulate(tmp_path, main)
