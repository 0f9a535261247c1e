"""Observing: what processes do and have done, seen by who is not attached to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

SeenKind = Literal["call", "result", "born", "signal", "exit", "page"]


@dataclass(frozen=True, slots=True)
class LookOn:
    """→ `{"onlooker": 1, "ended": [4]}`: what these processes do is kept for this connection, which
    reads it by `look`; `ended` are those that have ended before, and of which nothing will be seen.
    With `follow`, all below them are seen as well, and whom they start later. `what` is seen: their
    calls, or that they write pages. ESRCH for a pid that never was, EAGAIN for too many onlookers.
    """

    pids: list[int]
    follow: bool = False
    what: Literal["calls", "pages"] = "calls"
    op: Literal["look_on"] = "look_on"


@dataclass(frozen=True, slots=True)
class Look:
    """→ `Sight`, as soon as there is something to see, or after `timeout_s`. ENOENT if this
    connection has no such onlooker."""

    onlooker: int
    timeout_s: float | None = None
    op: Literal["look"] = "look"


@dataclass(frozen=True, slots=True)
class History:
    """→ `ProcessHistory`: what a process did turn by turn, ended ones included. ESRCH if there
    never was one."""

    pid: int
    op: Literal["history"] = "history"


@dataclass(frozen=True, slots=True)
class ListProc:
    """→ `{"entries": [ProcEntry, …]}`: what is in a folder of `/proc`. ENOENT, ENOTDIR, ESRCH."""

    path: str
    op: Literal["list_proc"] = "list_proc"


# ---- results ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that a process did, `at` Unix seconds.

    A `call` has `call_id`, `name` and `arguments`, a `result` what came of it: `errno` is '' when
    it did what it should, `text` is its beginning and `size` how many characters it has. A process
    that was `born` has a `name` and a `parent`; a `signal` has its `name`, an `exit` its `status`.
    A `page` says that there is one more. Long texts are cut.
    """

    kind: SeenKind
    pid: int
    at: float
    call_id: str = ""
    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    ok: bool = True
    errno: str = ""
    text: str = ""
    size: int = 0
    duration_s: float = 0.0
    parent: int = 0
    status: int = 0


@dataclass(frozen=True, slots=True)
class Sight:
    """What an onlooker has seen, the oldest first. Before it, `lost` things were seen that nobody
    asked for in time. It is `over` when all that were looked at have ended."""

    seen: list[Seen]
    lost: int
    over: bool


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call as the pages tell it: asked for `at`; `duration_s` from the page that asks to the page
    that answers, None while there is no answer."""

    call_id: str
    name: str
    arguments: dict[str, Any]
    at: float
    duration_s: float | None
    errno: str
    text: str
    size: int


TurnOutcome = Literal["done", "interrupted", "running"]


@dataclass(frozen=True, slots=True)
class PastTurn:
    """From a message to the answer; `image` counts how often the process had called exec. `begins`
    and `answer` are the first words of both. `tokens_in`, `tokens_cached` and `tokens_out` are what
    the engine was asked for meanwhile; None where nobody counted: in turns that are `inherited`, of
    the process it was forked from, and in those from before a restore."""

    image: int
    first_page: int
    at: float
    begins: str
    calls: list[PastCall]
    duration_s: float
    outcome: TurnOutcome
    answer: str
    inherited: bool
    tokens_in: int | None
    tokens_cached: int | None
    tokens_out: int | None


@dataclass(frozen=True, slots=True)
class ProcessHistory:
    """→ of `history`, the oldest turn first. `status` is its exit status, None while it lives."""

    pid: int
    name: str
    program: str
    status: int | None
    turns: list[PastTurn]


@dataclass(frozen=True, slots=True)
class ProcEntry:
    """A file or a folder of `/proc`, and what is in it."""

    name: str
    folder: bool
    about: str


ObservingRequest = LookOn | Look | History | ListProc
