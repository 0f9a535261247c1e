"""A supervisor in a simulated kernel, and what tests ask of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from llmos.kernel import childspec
from llmos.kernel.engine.driver import ChatRequest, EngineRefused
from llmos.kernel.engine.simulated import Reply, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import ChildSpec, Supervision
from llmos.kernel.process import Process
from llmos.kernel.signals import Signal

STAYS = ChildSpec("stays", task="hello", interactive=True)
"""Answers, and waits for more, for as long as it may."""


def script(request: ChatRequest) -> Reply:
    """`fail` fails; `long` talks for many seconds; the rest is said back."""
    task = request.messages[-1].text
    if task == "fail":
        raise EngineRefused("this cannot be done")
    if task == "long" or request.messages[1].text == "long":  # also in its last turn
        return Reply(" ".join(["on"] * 5000))
    return echo(request)


def staying(*names: str, **fields: object) -> list[ChildSpec]:
    return [replace(STAYS, name=name, **fields) for name in names]  # type: ignore[arg-type]


async def supervise(kernel: Kernel, *children: ChildSpec, **fields: object) -> Process:
    """A supervisor, as the request makes it."""
    spec = Supervision(list(children), **fields)  # type: ignore[arg-type]
    return await kernel.spawn(
        task=childspec.as_text(childspec.checked(spec)),
        name="supervisor",
        root=Path("/"),
        program="supervisor",
        new_group=True,
    )


def children(kernel: Kernel, supervisor: Process) -> dict[str, Process]:
    """Those that are alive, by name."""
    return {one.name: one for one in kernel.table.children(supervisor.pid) if one.alive}


async def until(condition: Callable[[], bool], timeout_s: float = 600.0) -> None:
    """Poll on virtual time."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def at_rest(kernel: Kernel, supervisor: Process, *names: str) -> dict[str, Process]:
    """These children run, idle, and no others."""

    def rests() -> bool:
        there = children(kernel, supervisor)
        return set(there) == set(names) and all(one.mailbox.awaited for one in there.values())

    await until(rests)
    return children(kernel, supervisor)


async def fail(kernel: Kernel, child: Process) -> None:
    await kernel.signal(child, Signal.KILL)
    await child.exited.wait()


def diary(supervisor: Process) -> list[str]:
    """What its pages tell, after the specification."""
    return [entry.page.text for entry in supervisor.space.resident[1:]]
