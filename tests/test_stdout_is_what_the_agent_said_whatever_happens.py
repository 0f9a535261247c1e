"""What comes out of a pipe is what the agent said, whole and once, whatever is done to it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.pipe import End, Pipe
from llmos.kernel.process import Process
from llmos.kernel.signals import Signal
from simulation import Machine, ended, generating, live, simulate, until

ROOT = Path("/")


def numbers(last: int) -> str:
    return " ".join(str(number) for number in range(1, last + 1))


async def writer(kernel: Kernel, task: str, *, interactive: bool = False) -> tuple[Process, Pipe]:
    """A process with a stdout, and the pipe, of which the test holds the end to read."""
    pipe = await kernel.make_pipe()
    process = await kernel.spawn(
        task=task, name=None, root=ROOT, interactive=interactive, stdout=pipe
    )
    kernel.close_end(pipe, End.WRITE)
    return process, pipe


async def all_of(kernel: Kernel, pipe: Pipe) -> str:
    text, eof = "", False
    while not eof:
        part, eof = await kernel.read(pipe, 65536, None)
        text += part
    return text


def test_after_an_exec_the_new_answer_is_whole_and_on_a_line_of_its_own(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[str]:
        process, pipe = await writer(kernel, "count 500")
        await generating(process, 0.3)
        await until(lambda: pipe.num_bytes > 0)
        await kernel.exec(process, task="count 30")
        assert await ended(process) == (0, numbers(30))
        return (await all_of(kernel, pipe)).splitlines()

    first, second = simulate(tmp_path, main)
    assert numbers(500).startswith(first)
    assert second == numbers(30)


def test_an_error_that_ends_a_turn_is_not_said(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> str:
        process, pipe = await writer(kernel, "count 500")
        await generating(process, 0.3)
        await until(lambda: pipe.num_bytes > 0)
        for _crash in range(10):  # more than the engine may die
            driver.crash()
            await asyncio.sleep(0.2)
        assert (await ended(process))[0] == 1
        return await all_of(kernel, pipe)

    text = simulate(tmp_path, main)
    assert text.endswith("\n")
    assert numbers(500).startswith(text.rstrip("\n"))


def test_an_interrupted_turn_without_a_word_says_nothing(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> str:
        process, pipe = await writer(kernel, 'call select {"timeout": 50}', interactive=True)
        await until(lambda: process.waits_for == "select" or len(process.space) > 1)
        await kernel.signal(process, Signal.INT)
        await until(lambda: process.waits_for == "a message")
        await kernel.signal(process, Signal.KILL)
        return await all_of(kernel, pipe)

    assert simulate(tmp_path, main) == ""


def test_pipe_is_a_signal_like_the_others_and_ends_a_stopped_process_too(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> int:
        process, _pipe = await writer(kernel, "count 500")
        await generating(process)
        await kernel.signal(process, Signal.STOP)
        await kernel.signal(process, Signal.PIPE)
        return (await ended(process))[0]

    assert simulate(tmp_path, main) == 141


def test_a_fork_says_what_it_says_into_the_same_pipe(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> str:
        parent, pipe = await writer(kernel, "hello", interactive=True)
        await until(lambda: pipe.num_bytes > 0 and parent.waits_for == "a message")
        child = await kernel.fork(parent, task="count 5", interactive=False)
        await kernel.signal(parent, Signal.KILL)
        await ended(child)
        return await all_of(kernel, pipe)

    assert simulate(tmp_path, main) == "You said: hello\n1 2 3 4 5\n"


def test_many_clients_that_write_at_once_are_held_to_the_capacity_too(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> tuple[int, str]:
        pipe = await kernel.make_pipe(1000)
        writes = [
            asyncio.create_task(kernel.write(pipe, f"{number:03d}" + "x" * 697))
            for number in range(20)
        ]
        most, text = 0, ""
        while len(text) < 20 * 700:
            await asyncio.sleep(1.0)
            most = max(most, pipe.num_bytes)
            text += (await kernel.read(pipe, 100, None))[0]
        await asyncio.gather(*writes)
        return most, text

    most, text = simulate(tmp_path, main)
    assert most < 1000 + 700, "full, and what one write has brought over it"
    assert sorted(text.replace("x", "")[at : at + 3] for at in range(0, 60, 3)) == [
        f"{number:03d}" for number in range(20)
    ]


def test_with_another_model_at_the_next_boot_nothing_is_said_twice(tmp_path: Path) -> None:
    async def main(machine: Machine) -> str:
        kernel = machine.kernel
        pipe = await kernel.make_pipe()
        process = await kernel.spawn(task="count 300", name=None, root=ROOT, stdout=pipe)
        reader = await kernel.spawn(task="here:", name=None, root=ROOT, stdin=pipe)
        await kernel.fed_whole(pipe)
        kernel.close_end(pipe, End.READ)
        await generating(process, 0.3)
        await until(lambda: process.written > 0)
        await kernel.journal.write(
            lambda connection: connection.execute("UPDATE meta SET value = 'x' WHERE key = 'model'")
        )
        await machine.crash()
        kernel = await machine.boot()
        return (await ended(kernel.table.find(reader.pid)))[1]

    assert live(tmp_path, main).split()[3:] == numbers(300).split()
