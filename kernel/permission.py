"""Who may use what several processes share: said by its owner, in five words.

Shared pages and the namespaces of the knowledge base have readers and writers of this kind.
"""

from __future__ import annotations

from typing import Protocol

from ..syscalls.errno import EINVAL
from .process import Process
from .table import ProcessTable

WHO = ("owner", "tree", "group", "session", "all")
"""The owner alone; it and all below it; its process group; its session; everybody."""


class Owned(Protocol):
    """`owner` is the pid that made it, in that session and group; it may have ended."""

    @property
    def owner(self) -> int: ...
    @property
    def session(self) -> int: ...
    @property
    def group(self) -> int: ...


def check(*named: str | None) -> None:
    """Raises EINVAL for a word that is none of `WHO`; None says nothing."""
    for who in named:
        if who not in (None, *WHO):
            raise EINVAL(f"{who!r} is nobody", hint="there are " + ", ".join(WHO))


def admits(table: ProcessTable, process: Process, thing: Owned, who: str) -> bool:
    if process.pid == thing.owner or who == "all":
        return True
    match who:
        case "tree":
            return thing.owner in table.ancestors(process.pid)
        case "group":
            return process.group == thing.group
        case "session":
            return process.session == thing.session
    return False


def whom(thing: Owned, who: str) -> str:
    """Those who may, in words."""
    return {
        "owner": f"process {thing.owner}, which made it",
        "tree": f"process {thing.owner} and all below it",
        "group": f"process group {thing.group}",
        "session": f"session {thing.session}",
        "all": "everybody",
    }[who]
