"""Guests: processes by which a client makes syscalls itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class OpenGuest:
    """→ `{"pid": 4}`. It makes the calls that this connection asks for, and ends with it, and with
    it all that is below it. `tools` as in `Spawn`: what `offered` lists. With `attach`, what a call
    tells comes as `Told`, with a call_id that ends in a point and its key."""

    root: str
    name: str = "guest"
    tools: list[str] | None = None
    limits: dict[str, float | list[float | None]] = field(default_factory=dict)
    budget: int | None = None
    attach: bool = False
    parent: int = 1
    nice: int | None = None
    op: Literal["open_guest"] = "open_guest"


@dataclass(frozen=True, slots=True)
class CloseGuest:
    """→ `{}`: the guest has ended with this status and output, and all below it is told to end, but
    for the processes in `keep` and those below them, which live on. Raises EPERM for a guest of
    another connection."""

    pid: int
    status: int = 0
    output: str = ""
    keep: list[int] = field(default_factory=list)
    op: Literal["close_guest"] = "close_guest"


@dataclass(frozen=True, slots=True)
class CallSyscall:
    """→ `CallResult`. `key` names the call, for `CancelCall`. Raises EPERM for a guest of another
    connection."""

    pid: int
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    op: Literal["call"] = "call"


@dataclass(frozen=True, slots=True)
class CancelCall:
    """→ `{}`. The call ends with ECANCELED, if it has not ended yet."""

    pid: int
    key: str
    op: Literal["cancel_call"] = "cancel_call"


@dataclass(frozen=True, slots=True)
class Offered:
    """→ `{"syscalls": [SyscallInfo, …]}`: those that a process is offered."""

    pid: int
    op: Literal["offered"] = "offered"


@dataclass(frozen=True, slots=True)
class CallResult:
    """Whether the call did what it should, and what an agent would read: a result or an errno."""

    ok: bool
    text: str


GuestRequest = OpenGuest | CloseGuest | CallSyscall | CancelCall | Offered
