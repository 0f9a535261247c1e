"""A script starts processes, talks to them, hears them, signals them and reads how they ended."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any, assert_type

import pytest

import llmos
from harness import KernelProcess
from llmos.scripting.kernel import Kernel


def connected(kernel: KernelProcess) -> Kernel:
    return llmos.connect(kernel.state_dir, boot=False, root=kernel.root)


def alive(kernel: KernelProcess) -> set[int]:
    with kernel.wire() as wire:
        return {row["pid"] for row in wire.get("ps")["processes"] if row["exit_status"] is None}


async def test_run_gives_the_answer(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        answer = await k.run("Sum it up.", "a long text")
        assert_type(answer, str)
    assert answer == "You said: Sum it up.\n\na long text"


async def test_what_fails_says_how(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        with pytest.raises(llmos.ProcessFailed) as failure:
            await k.run("count 1000", limits={"tokens": 100})
    assert failure.value.status == 152
    assert failure.value.output.startswith("1 2")
    assert failure.value.usage is not None and failure.value.usage.tokens_out >= 2


async def test_an_interactive_process_is_asked_turn_by_turn(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        p = await k.spawn()
        assert [await p.ask("one"), await p.ask("two")] == ["You said: one", "You said: two"]
        await p.send("three")
        assert await p.answer() == "You said: three"
        briefed = await k.spawn("first", interactive=True)
        assert await briefed.ask("second") == "You said: second"


async def test_a_process_with_a_task_is_not_asked(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        p = await k.spawn("count 3")
        with pytest.raises(RuntimeError, match="interactive=True"):
            await p.ask("more")
        assert await p.answer() == "1 2 3"


async def test_stdout_brings_the_words_as_they_come(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        p = await k.spawn("count 5")
        pieces = [text async for text in p.stdout]
        ended = await p.wait()
    assert len(pieces) > 1 and "".join(pieces) == "1 2 3 4 5" == ended.output
    assert (ended.status, ended.pid) == (0, p.pid)


async def test_events_tell_of_calls(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        p = await k.spawn()
        events = p.events
        await p.ask('call calculate {"expression": "2 * 21"}')
        await p.kill()
        heard: list[Any] = [event async for event in events]
    assert [event.name for event in heard if event.event == "call"] == ["calculate"]
    assert heard[-1].event == "exit"


async def test_a_stopped_process_goes_on_where_it_was(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        p = await k.spawn("count 300")
        async for _ in p.stdout:
            break
        await p.stop()
        while (await p.info()).state != "stopped":
            await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            await p.wait(timeout=0.05)
        await p.cont()
        assert (await p.result()).endswith(" 299 300")


async def test_an_interrupted_turn_keeps_what_was_said(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        p = await k.spawn()
        asking = asyncio.create_task(p.ask("count 20000"))
        async for _ in p.stdout:
            break
        await p.interrupt()
        with pytest.raises(llmos.TurnFailed) as failure:
            await asking
        assert failure.value.text.startswith("1")
        assert await p.ask("still there") == "You said: still there"


async def test_forks_know_what_their_parent_knows(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        p = await k.spawn()
        await p.ask("remember")
        both = await p.fork(2)
        one = await p.fork("count 3", interactive=False)
        assert await asyncio.gather(*(child.ask("hi") for child in both)) == ["You said: hi"] * 2
        assert await one.result() == "1 2 3"
        with sim_kernel.wire() as wire:
            said = [page["text"] for page in wire.get("logs", pid=both[0].pid)["pages"]]
    assert said == ["remember", "You said: remember", "hi", "You said: hi"]


async def test_cancelling_a_run_ends_its_process(sim_kernel: KernelProcess) -> None:
    before = alive(sim_kernel)
    async with connected(sim_kernel) as k:
        await k.syscall("calculate", expression="1")  # the script's own process is there
        own = alive(sim_kernel) - before
        with pytest.raises(TimeoutError, match="did not answer within"):
            await k.run("count 20000", timeout=0.1)
        running = asyncio.create_task(k.run("count 20000"))
        while alive(sim_kernel) <= before | own:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        while not alive(sim_kernel) <= before | own:
            await asyncio.sleep(0.01)


async def test_what_a_script_leaves_behind_ends_with_it(sim_kernel: KernelProcess) -> None:
    before = alive(sim_kernel)
    async with connected(sim_kernel) as k:
        p = await k.spawn()
        child = await p.fork()
        await p.signal("KILL")
        await p.wait()
        assert (await child.info()).parent not in (1, p.pid), "the script has adopted it"
        assert await child.ask("hi") == "You said: hi"
    while not alive(sim_kernel) <= before:
        await asyncio.sleep(0.01)


async def test_syscalls_are_made_by_the_script_itself(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        assert await k.syscall("calculate", expression="6 * 7") == "42"
        with pytest.raises(llmos.SyscallFailed) as failure:
            await k.syscall("read_file", path="nope.txt")
    assert failure.value.code == "ENOENT"


async def test_a_pipeline_gives_the_last_ones_answer(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        assert await k.pipe("first", "second", context="text") == (
            "You said: second\n\nYou said: first\n\ntext"
        )
        stages = alive(sim_kernel)
        with pytest.raises(TimeoutError):
            await k.pipe("count 20000", "second", timeout=0.2)
        while not alive(sim_kernel) <= stages:
            await asyncio.sleep(0.01)


async def test_somebody_elses_process_is_attached_to(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True)["pid"]
    async with connected(sim_kernel) as k:
        p = await k.attach(pid)
        assert await p.ask("hello") == "You said: hello"
    assert pid in alive(sim_kernel), "it lives on"
    async with connected(sim_kernel) as k:
        p = await k.attach(pid)
        await p.send("count 20000")
        await p.kill()
        with pytest.raises(llmos.ProcessFailed, match="exited with 137"):
            await p.answer()
    with sim_kernel.wire() as wire:
        assert wire.get("wait", pid=pid)["status"] == 137, "nobody has taken that away"


async def test_without_a_kernel_it_says_so(own_kernel: KernelProcess) -> None:
    with pytest.raises(llmos.NoKernel):
        async with connected(own_kernel):
            pass


async def test_amounts_are_checked_here(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        with pytest.raises(ValueError, match="'lots' is not an amount"):
            await k.run("hi", budget="lots")
        p = await k.spawn(limits={"tokens": "10k", "wall_s": (50, "1m")}, budget="20k")
        assert await p.limits() == {"tokens": [10000, 10000], "wall_s": [50, 60]}
        assert (await p.info()).budget == 20000


def test_the_same_without_async(sim_kernel: KernelProcess) -> None:
    with llmos.sync.connect(sim_kernel.state_dir, boot=False) as k:
        assert k.run("hello") == "You said: hello"
        assert k.map("do", ["a", "b"]) == ["You said: do\n\na", "You said: do\n\nb"]
        p = k.spawn()
        assert p.ask("hi") == "You said: hi"
        assert "".join(k.spawn("count 4").stdout) == "1 2 3 4"
        assert [child.ask("x") for child in p.fork(2)] == ["You said: x"] * 2
        with k.group() as g:
            worker = g.spawn("count 3")
            assert g.spawn().ask("in") == "You said: in"
        assert g.results == ["1 2 3", None] and worker.result() == "1 2 3"
        with pytest.raises(ExceptionGroup) as failures, k.group() as g:
            endless = g.spawn("count 20000")
            raise KeyError("mine")
        assert failures.group_contains(KeyError)
        assert endless.wait().status == 137


def test_a_run_that_takes_too_long_leaves_no_noise(sim_kernel: KernelProcess) -> None:
    script = (
        "import llmos\n"
        f"with llmos.sync.connect({str(sim_kernel.state_dir)!r}, boot=False) as k:\n"
        "    try:\n"
        "        k.run('count 5000', timeout=0.01)\n"
        "    except TimeoutError:\n"
        "        print('too long')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env=sim_kernel.env, capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("too long\n", "")
