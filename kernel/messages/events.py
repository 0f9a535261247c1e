"""What the kernel tells of a process to whoever is attached to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .results import ExitInfo

TurnStatus = Literal["done", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer that is being generated."""

    event: ClassVar[str] = "text"
    pid: int
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A syscall starts."""

    event: ClassVar[str] = "call"
    pid: int
    call_id: str
    name: str
    arguments: dict[str, Any]


ToldKind = Literal["progress", "output"]


@dataclass(frozen=True, slots=True)
class Told:
    """A syscall tells something while it runs: how far it is, or a piece of its output (which its
    result holds again)."""

    event: ClassVar[str] = "told"
    pid: int
    call_id: str
    name: str
    kind: ToldKind
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """A syscall has ended; `text` is what the agent will read."""

    event: ClassVar[str] = "result"
    pid: int
    call_id: str
    name: str
    ok: bool
    text: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn is over; `text` is the whole answer (the error, when it failed)."""

    event: ClassVar[str] = "turn"
    pid: int
    status: TurnStatus
    text: str
    tokens_out: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class State:
    """The process changed its state."""

    event: ClassVar[str] = "state"
    pid: int
    state: str
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """The process has ended."""

    event: ClassVar[str] = "exit"
    pid: int
    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Child:
    """Of a supervisor, `pid`: its child of that `name` was started as the process `child`, or that
    process has ended with `exit`; it is `done` when it will not be started anew."""

    event: ClassVar[str] = "child"
    pid: int
    name: str
    child: int
    exit: ExitInfo | None = None
    done: bool = False


Event = Text | Call | Told | Result | Turn | State | Exit | Child
