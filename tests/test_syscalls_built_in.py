"""The built-in syscalls: their names, words and results are what the built-in model has learnt."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from llmos.syscalls import Context, ExitRecord, KernelServices, ProcessRecord
from llmos.syscalls.dispatch import Dispatcher
from llmos.syscalls.errno import ENOSYS, ESRCH, ETIME
from llmos.syscalls.registry import PluginRegistry

LEARNT = {
    "calculate": ("Work out an arithmetic expression.", ["expression"]),
    "kill": ("End a process.", ["pid"]),
    "list_files": ("List the files in a folder.", ["path"]),
    "list_processes": ("List the processes.", []),
    "now": ("Tell the date and the time.", []),
    "read_file": ("Read a text file.", ["path"]),
    "recall": ("Find the notes about something.", ["query"]),
    "remember": ("Keep a note for later.", ["text"]),
    "search_files": (
        "Find the lines that contain a text, in the files of a folder.",
        ["pattern", "path"],
    ),
    "spawn": ("Start a helper agent on a task and get its pid.", ["task"]),
    "wait": ("Wait until a process ends and get its answer.", ["pid"]),
    "write_file": ("Write text to a file; what it held is replaced.", ["path", "text"]),
}


class SmallKernel:
    """As much of a kernel as a syscall sees: `KernelServices`, held in memory."""

    def __init__(self) -> None:
        self.names = {3: "shell"}
        self.notes: list[str] = []

    async def spawn(self, task: str) -> int:
        pid = max(self.names) + 1
        self.names[pid] = task
        return pid

    async def wait(self, pid: int) -> ExitRecord:
        if pid == 3:
            await asyncio.sleep(1000)
        return ExitRecord(pid, 0, "It is done.")

    async def kill(self, pid: int) -> None:
        if self.names.pop(pid, None) is None:
            raise ESRCH(f"no process {pid}")

    def processes(self) -> list[ProcessRecord]:
        return [ProcessRecord(pid, "blocked", name) for pid, name in self.names.items()]

    async def remember(self, text: str) -> None:
        self.notes.append(text)

    async def recall(self, query: str) -> list[str]:
        return [note for note in self.notes if query in note]


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[PluginRegistry]:
    registry = PluginRegistry(tmp_path, environ={"LLMOS_LOAD_PLUGINS": ""})
    await registry.load()
    yield registry
    await registry.close()


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(pid=3, call_id="c1", root=tmp_path, kernel=cast(KernelServices, SmallKernel()))


async def test_names_summaries_and_parameters(registry: PluginRegistry) -> None:
    specs = {spec.name: spec for spec in registry.table.specs() if spec.listed}
    assert list(specs) == sorted(LEARNT)
    for name, (summary, parameters) in LEARNT.items():
        assert specs[name].summary == summary
        assert list(specs[name].parameters["properties"]) == parameters
    assert all(record.error == "" for record in registry.records())
    assert specs["wait"].timeout_s == 3600
    effects = {name: spec.effect for name, spec in specs.items()}
    assert {name for name, effect in effects.items() if effect == "once"} == {
        "kill",
        "remember",
        "spawn",
    }
    assert {name for name, effect in effects.items() if effect == "idempotent"} == {
        "wait",
        "write_file",
    }


async def test_what_they_answer(registry: PluginRegistry, ctx: Context) -> None:
    call = Dispatcher(registry.table).call
    assert await call("spawn", {"task": "list\nthe files"}, ctx) == "pid 4"
    assert await call("list_processes", {}, ctx) == "3 blocked shell\n4 blocked list the files"
    assert await call("wait", {"pid": 4}, ctx) == "pid 4 exited with status 0: It is done."
    assert await call("kill", {"pid": 4}, ctx) == "killed pid 4"
    with pytest.raises(ESRCH) as caught:
        await call("kill", {"pid": 99}, ctx)
    assert str(caught.value) == "ESRCH: no process 99"
    assert await call("recall", {"query": "flight"}, ctx) == "no notes about flight"
    assert await call("remember", {"text": "my flight is at nine"}, ctx) == "noted"
    assert await call("remember", {"text": "the flight is AB 12"}, ctx) == "noted"
    assert await call("recall", {"query": "flight"}, ctx) == (
        "my flight is at nine\nthe flight is AB 12"
    )
    days = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
    now = await call("now", {}, ctx)
    assert re.fullmatch(rf"({days}) \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", now)


async def test_a_wait_in_the_kernel_ends_at_its_timeout(
    registry: PluginRegistry, ctx: Context
) -> None:
    with pytest.raises(ETIME):
        await Dispatcher(registry.table).call("wait", {"pid": 3}, ctx, timeout_s=0.1)


async def test_what_needs_the_kernel_says_so_without_it(
    registry: PluginRegistry, ctx: Context
) -> None:
    with pytest.raises(ENOSYS) as caught:
        await Dispatcher(registry.table).call("spawn", {"task": "x"}, replace(ctx, kernel=None))
    assert str(caught.value) == "ENOSYS: only a syscall that runs inside the kernel can do this"
