"""A supervisor goes on after a crash where its diary stands: no child runs twice, none is lost."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from harness import KernelProcess
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import ChildSpec, Strategy
from llmos.kernel.signals import Signal
from llmos.memory.compression import decompressed
from simulation import simulate
from supervised import at_rest, script, staying, supervise

SUPERVISOR = 2


def crash_after(kernel: Kernel, commits: int) -> asyncio.Event:
    """From then on nothing reaches the journal any more. The event is the crash."""
    crashed, left = asyncio.Event(), commits

    def counted(submit: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def one_more(work: Any, after: Any = None) -> Any:
            nonlocal left
            if left == 0:
                crashed.set()
                await asyncio.Event().wait()
            left -= 1
            return await submit(work, after)

        return one_more

    kernel.journal.commit = counted(kernel.journal.commit)  # type: ignore[method-assign, assignment]
    kernel.journal.write = counted(kernel.journal.write)  # type: ignore[method-assign, assignment]
    kernel.journal.post = lambda statements: None  # type: ignore[method-assign]
    return crashed


def started(database: Path) -> tuple[Counter[str], Counter[str]]:
    """(what the diary says was started, what the process table says), as `name pid`."""
    with sqlite3.connect(database) as connection:
        pages = connection.execute(
            "SELECT text FROM page_table JOIN frame ON frame.id = frame WHERE pid = ?",
            (SUPERVISOR,),
        )
        told = Counter(
            f"{found[1]} {found[2]}"
            for (text,) in pages
            if (found := re.fullmatch(r"started (\w+) as pid (\d+)", decompressed(text)))
        )
        rows = connection.execute("SELECT name, pid FROM process WHERE spawn_key IS NOT NULL")
        return told, Counter(f"{name} {pid}" for name, pid in rows)


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_a_crash_after_any_transaction_of_a_restart_storm(
    tmp_path: Path, strategy: Strategy
) -> None:
    """Whenever the crash comes, the storm goes on, is counted on, and ends as it would have."""

    async def storm(kernel: Kernel, _: SimulatedDriver) -> bool:
        crashed = crash_after(kernel, commits)
        await supervise(
            kernel,
            *staying("first"),
            ChildSpec("bad", task="fail"),
            *staying("last"),
            strategy=strategy,
            max_restarts=2,
        )
        supervisor = kernel.table.find(SUPERVISOR)
        waits = [asyncio.create_task(event.wait()) for event in (crashed, supervisor.exited)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return crashed.is_set()

    async def rest(kernel: Kernel, _: SimulatedDriver) -> str:
        supervisor = kernel.table.find(SUPERVISOR)
        async with asyncio.timeout(100.0):
            await supervisor.exited.wait()
        await asyncio.sleep(1.0)
        assert supervisor.exit is not None
        assert kernel.table.num_alive() == 1, "pid 1 alone is left"
        return supervisor.exit.output

    commits, crashed = 1, True
    while crashed:
        folder = tmp_path / str(commits)
        folder.mkdir()
        crashed = simulate(folder, storm, script=script)
        assert "gave up on bad after 2 restarts" in simulate(folder, rest, script=script)
        told, there = started(folder / "llmos.db")
        assert told == there, f"a crash after {commits} transactions"
        assert Counter(one.split()[0] for one in there)["bad"] == 3
        commits += 1
    assert commits > 20


@pytest.mark.parametrize("commits", range(1, 9))
def test_a_crash_at_any_moment_of_a_shutdown(tmp_path: Path, commits: int) -> None:
    """The children of a supervisor that was told to end do not outlive it."""

    async def told(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, *staying("a", "b"))
        await at_rest(kernel, supervisor, "a", "b")
        crashed = crash_after(kernel, commits)
        await kernel.signal(supervisor, Signal.TERM)
        waits = [asyncio.create_task(event.wait()) for event in (crashed, supervisor.exited)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)

    async def rest(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = kernel.table.find(SUPERVISOR)
        async with asyncio.timeout(100.0):
            await supervisor.exited.wait()
        assert supervisor.exit is not None
        assert (supervisor.exit.status, supervisor.exit.output) == (143, "told to end by TERM")
        assert kernel.table.num_alive() == 1, "pid 1 alone is left"

    simulate(tmp_path, told, script=script)
    simulate(tmp_path, rest, script=script)


def test_kill_9_in_the_middle_of_a_restart_storm(own_kernel: KernelProcess) -> None:
    """A real kernel, killed again and again while children run out of time and are restarted."""
    rng = random.Random(7)
    spec = {
        "strategy": "one_for_all",
        "max_restarts": 10_000,
        "children": [
            {"name": "steady", "task": "hi", "interactive": True},
            {"name": "hasty", "task": "count 3000", "timeout_s": 0.05},
            {"name": "last", "task": "hi", "interactive": True, "shutdown_s": 0.02},
        ],
    }
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        pid = wire.get("supervise", spec=spec, root=str(own_kernel.root))["pid"]
        assert pid == SUPERVISOR
    for _crash in range(5):
        time.sleep(rng.uniform(0.1, 0.5))
        own_kernel.kill9()
        own_kernel.start().ready()
    with own_kernel.wire() as wire:
        for _look in range(50):
            there = wire.get("ps")["processes"]
            alive = [
                one["name"] for one in there if one["parent"] == pid and one["exit_status"] is None
            ]
            assert len(alive) == len(set(alive)) <= 3
        wire.get("kill", pid=pid)
        assert wire.get("wait", pid=pid, timeout_s=60.0)["status"] == 143
        assert len(wire.get("ps")["processes"]) == 1
    own_kernel.terminate()
    told, there = started(own_kernel.state_dir / "llmos.db")
    assert told == there
    assert len(there) > 12, "there was a storm"
