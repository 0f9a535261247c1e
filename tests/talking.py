"""Talking to an agent on the simulated engine, a message at a time."""

from __future__ import annotations

import json
from pathlib import Path

from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.memory.page import Page
from llmos.memory.swap import StoredPage, read_pages
from simulation import until


async def agent(kernel: Kernel, *tools: str) -> Process:
    """One that is offered these syscalls."""
    root = Path("/")
    return await kernel.spawn(task=None, name="a", root=root, interactive=True, tools=tools)


async def say(kernel: Kernel, process: Process, text: str) -> str:
    """Its answer."""
    before = len(process.space)
    await kernel.send(process.pid, text)

    def answered() -> bool:
        page = process.space.last
        new = len(process.space) > before and page is not None and page.role == "assistant"
        return new and page is not None and not page.calls and process.state.value == "blocked"

    await until(answered)
    assert process.space.last is not None
    return process.space.last.text


async def call(kernel: Kernel, process: Process, name: str, /, **arguments: object) -> str:
    """What it reads as the result of a call that it makes."""
    await say(kernel, process, f"call {name} {json.dumps(arguments)}")
    return (await stored(kernel, process))[-2].page.text


async def read_in(kernel: Kernel, process: Process, text: str) -> Page:
    """The page that it gets when it reads a text: a shared page, which no worker process has to
    open."""
    await kernel.write_shared(process, "text", text)
    await call(kernel, process, "shared_read", name="text")
    return (await stored(kernel, process))[-2].page


async def talk_past(kernel: Kernel, process: Process) -> int:
    """Talk until there is a flush; how many messages that took."""
    evictions = process.space.faults.evictions
    for number in range(1000):
        if process.space.faults.evictions > evictions:
            return number
        await say(kernel, process, f"chat {number} " + "x " * 20)
    raise AssertionError("nothing leaves")


async def stored(kernel: Kernel, process: Process) -> list[StoredPage]:
    """All its pages, out of swap."""
    pid, image = process.pid, process.image
    return await kernel.journal.read(lambda c: read_pages(c, pid, image))


def resident(process: Process) -> list[Page]:
    return [entry.page for entry in process.space.resident]
