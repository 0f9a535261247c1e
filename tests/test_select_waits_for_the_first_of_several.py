"""`select`: the end of a process, a message, or input, whichever is there first."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llmos.kernel import deadlock
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.pipe import End
from llmos.kernel.process import Process
from llmos.kernel.services import Services
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import EDEADLK, EINVAL, ETIME
from simulation import simulate, until

ROOT = Path("/")


def of(kernel: Kernel, process: Process) -> Services:
    return Services(kernel, process, "000000000")


def test_whatever_comes_first_ends_the_wait_and_nothing_is_taken(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[str]:
        pipe = await kernel.make_pipe()
        waiter = await kernel.spawn(
            task="count 1", name=None, root=ROOT, stdin=pipe, limits=kernel.table.find(1).limits
        )
        await kernel.signal(waiter, Signal.STOP)
        child = await kernel.spawn(
            task=None, name="child", root=ROOT, parent=waiter.pid, interactive=True
        )
        services, seen = of(kernel, waiter), []
        first = await services.select([child.pid], messages=True, input=True)
        seen.append(first)  # its task is in the mailbox
        waiter.mailbox.remove(next(iter(waiter.mailbox)))

        async def soon(act: object) -> str:
            task = asyncio.create_task(
                services.select([child.pid], messages=True, input=True, timeout_s=50)
            )
            await asyncio.sleep(1)
            assert not task.done()
            await act  # type: ignore[misc]
            return await task

        seen.append(await soon(kernel.write(pipe, "text")))
        taken = pipe.peek(by=waiter)
        assert taken is not None
        pipe.take(taken)
        seen.append(await soon(kernel.send(waiter.pid, "hello")))
        waiter.mailbox.remove(next(iter(waiter.mailbox)))
        seen.append(await soon(kernel.signal(child, Signal.KILL)))
        return seen

    assert simulate(tmp_path, main) == [
        "a message of pid 0 is there",
        "input is there",
        "a message of pid 0 is there",
        "pid 3 has ended",
    ]


def test_a_timeout_ends_it_and_nothing_to_select_is_a_mistake(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        waiter = await kernel.spawn(task=None, name="w", root=ROOT, interactive=True)
        with pytest.raises(ETIME, match="nothing was there within 3 s"):
            await of(kernel, waiter).select(messages=True, timeout_s=3)
        with pytest.raises(EINVAL, match="nothing to select from"):
            await of(kernel, waiter).select()
        with pytest.raises(EINVAL, match="process 2 has no stdin"):
            await of(kernel, waiter).select(input=True)

    simulate(tmp_path, main)


def test_two_that_select_each_other_are_told(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[str]:
        pids: list[int] = []
        for other in (3, 2):
            task = f'call select {{"pids": [{other}]}}'
            held = await kernel.spawn(task=task, name=None, root=ROOT)
            await kernel.signal(held, Signal.STOP)
            pids.append(held.pid)
        both = [kernel.table.find(pid) for pid in pids]
        for process in both:
            await kernel.signal(process, Signal.CONT)
        for process in both:
            await process.exited.wait()
        return [process.exit.output for process in both if process.exit]

    said = simulate(tmp_path, main)
    assert any(text.startswith(EDEADLK.code) for text in said)
    assert any("has ended" in text for text in said)


def test_input_on_its_way_is_no_deadlock(tmp_path: Path) -> None:
    """Whoever has written what the other selects may wait for the other, at once."""

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        pipe = await kernel.make_pipe()
        writer = await kernel.spawn(task=None, name="w", root=ROOT, interactive=True, stdout=pipe)
        kernel.close_end(pipe, End.WRITE)
        reader = await kernel.spawn(
            task='call select {"input": true}', name="r", root=ROOT, interactive=True, stdin=pipe
        )
        await until(lambda: reader.waits_for == "the first of several")
        assert reader.waiting.on == {writer.pid}
        with pytest.raises(EDEADLK):
            deadlock.check(kernel.table, writer, {reader.pid})
        put = kernel.writing(pipe, "here\n")[1]
        put()
        deadlock.check(kernel.table, writer, {reader.pid})  # in the same step of the loop

    simulate(tmp_path, main)
