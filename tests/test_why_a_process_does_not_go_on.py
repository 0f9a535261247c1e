"""`why` says what a process waits for, and who could end that, as the kernel knows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.pipe import End
from llmos.kernel.process import Process, State
from llmos.kernel.signals import Signal
from llmos.kernel.why import why
from llmos.syscalls.errno import ESRCH
from simulation import ROOT, ended, generating, simulate, until

ONE_SLOT = Capacity(max_num_seqs=1, window_tokens=4096, kv_cache_tokens=65536)
FEW_BLOCKS = Capacity(max_num_seqs=8, window_tokens=1600, kv_cache_tokens=1600)
STORY = " ".join(f"word{index}" for index in range(390))


async def told(kernel: Kernel, process: Process) -> tuple[str, str]:
    """(what it waits for, all sentences)"""
    info = await why(kernel, process.pid)
    assert (info.pid, info.state) == (process.pid, process.state.value)
    return info.waits_for, " ".join(info.sentences)


async def agent(kernel: Kernel, task: str | None, **given: object) -> Process:
    return await kernel.spawn(task=task, name=None, root=ROOT, **given)  # type: ignore[arg-type]


def test_all_slots_are_taken(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        runs = await agent(kernel, "count 500")
        await generating(runs)
        waiting = [await agent(kernel, "count 5") for _ in range(3)]
        await until(lambda: kernel.scheduler.num_waiting == 3)
        assert await told(kernel, runs) == (
            "nothing",
            "It is in the engine, and waits for nothing. It holds 9 KV blocks that are its own.",
        )
        word, text = await told(kernel, waiting[2])
        assert word == "engine"
        assert "All 1 slots of the engine are taken." in text
        assert "in level 0; 2 of the 2 others that wait come before it." in text
        word, text = await told(kernel, waiting[0])
        assert "none of the 2 others that wait come before it." in text

    simulate(tmp_path, main, capacity=ONE_SLOT)


def test_the_memory_is_taken_and_by_whom(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        large = [await agent(kernel, f"count 100 {STORY}") for _ in range(3)]
        await until(lambda: all(one.state is State.RUNNING for one in large))
        waits = await agent(kernel, f"count 100 {STORY}")
        await until(lambda: waits.state is State.READY)
        word, text = await told(kernel, waits)
        assert word == "engine" and "slots" not in text
        each, shared = 30, 2
        free = 100 - 3 * each - shared
        assert f"it needs {each} KV blocks of 16 tokens; {free} of 100 are free." in text
        for one in large:
            assert f"Process {one.pid} ({one.name}) holds {each} while it runs." in text
        assert (await ended(waits))[0] == 0

    simulate(tmp_path, main, capacity=FEW_BLOCKS)


def test_a_message_a_child_a_call_an_input_and_a_stop(tmp_path: Path) -> None:
    def script(request: ChatRequest) -> Reply:
        said = request.messages[-1].text
        if said == "listen":
            return Reply(calls=(("receive", json.dumps({"timeout": 60})),))
        if said.startswith("wait for"):
            return Reply(calls=(("wait_any", "{}"),))
        return echo(request)

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        idle = await agent(kernel, None, interactive=True)
        await until(lambda: idle.waits_for == "a message")
        assert await told(kernel, idle) == (
            "message",
            f"It waits for a message: llmos send {idle.pid} TEXT.",
        )
        listens = await agent(kernel, "listen", tools=("receive",))
        await until(lambda: listens.waits_for == "receive")
        word, text = await told(kernel, listens)
        assert word == "syscall"
        assert text == 'It makes the call receive {"timeout": 60}, which may take 3600 s.'

        parent = await agent(kernel, None, interactive=True, tools=("wait_any",))
        child = await agent(kernel, None, interactive=True, parent=parent.pid)
        await until(lambda: child.waits_for == "a message")
        await kernel.send(parent.pid, "wait for it")
        await until(lambda: parent.waits_for == "a child")
        word, text = await told(kernel, parent)
        assert word == "process"
        assert "In it, it waits for a child." in text
        assert f"Process {child.pid} ({child.name}) could end that: it is blocked" in text

        pipe = await kernel.make_pipe(100)
        reads = await agent(kernel, "sum up", stdin=pipe)
        writes = await agent(kernel, None, interactive=True, stdout=pipe)
        await until(lambda: reads.waits_for == "its input")
        word, text = await told(kernel, reads)
        assert text == "It collects its input to the end. A client holds the end to write."
        kernel.close_end(pipe, End.WRITE)
        await until(lambda: reads.waiting.on == {writes.pid})
        word, text = await told(kernel, reads)
        assert word == "input" and f"Process {writes.pid} ({writes.name}) writes it" in text

        await kernel.signal(idle, Signal.STOP)
        await until(lambda: idle.state is State.STOPPED)
        assert await told(kernel, idle) == (
            "continue",
            f"It was told STOP; llmos cont {idle.pid} lets it go on.",
        )

    simulate(tmp_path, main, script=script)


def test_a_full_pipe_names_who_should_read(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        pipe = await kernel.make_pipe(64)
        reader = await agent(kernel, None, interactive=True, stdin=pipe)
        await until(lambda: reader.waits_for == "a message")
        await kernel.signal(reader, Signal.STOP)
        await until(lambda: reader.state is State.STOPPED)
        writer = await agent(kernel, "count 500", stdout=pipe)
        await until(lambda: writer.waits_for.startswith("room in pipe"))
        kernel.close_end(pipe, End.READ)
        await until(lambda: writer.waiting.on == {reader.pid})
        word, text = await told(kernel, writer)
        assert word == "pipe"
        assert f"Process {reader.pid} ({reader.name}) reads it: it is stopped" in text

    simulate(tmp_path, main)


def test_what_has_ended_and_what_never_was(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, "hello")
        await ended(process)
        _word, text = await told(kernel, process)
        assert text == (
            "It has ended with exit status 0."
            f" It stays until a client reads that: llmos wait {process.pid}."
        )
        await kernel.reap(process)
        info = await why(kernel, process.pid)
        assert info.sentences == ["It has ended with exit status 0, and was reaped."]
        with pytest.raises(ESRCH):
            await why(kernel, 99)

    simulate(tmp_path, main)
