"""Programs of plugins: what runs in a process in the place of the agent.

To its worker a program is a call among others, of a name that no syscall can have; so what a call
may ask, and how it is ended, holds for a program, too. It has no time limit: it is its process's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .arguments import read_signature
from .context import AsyncContext
from .loader import Plugin, Syscall
from .offers import PROGRAMS
from .spec import SyscallSpec

NEEDS = "proc.spawn"
LONGEST_S = 365 * 86400.0


def call_name(program: str) -> str:
    """What a worker knows a program by."""
    return f"program {program}"


def spec_of(program: str, plugin: str, summary: str = "") -> SyscallSpec:
    return SyscallSpec(
        name=call_name(program),
        plugin=plugin,
        summary=summary,
        description=summary,
        parameters={},
        needs=NEEDS,
        timeout_s=LONGEST_S,
        effect="once",
        listed=False,
        is_async=True,
        source="",
    )


def calls(plugins: Iterable[Plugin]) -> dict[str, Syscall]:
    """The programs of plugins as calls, by the names that a worker knows them by."""
    found: dict[str, Syscall] = {}
    for plugin in plugins:
        for one in plugin.offers:
            if one.hook == PROGRAMS:
                found[call_name(one.name)] = _call(one.name, one.thing)
    return found


def _call(name: str, program: Callable[[AsyncContext, str], Any]) -> Syscall:
    async def run(ctx: AsyncContext, task: str) -> str:
        return str(await program(ctx, task))

    return Syscall(spec_of(name, ""), run, read_signature(run, name, {}))
