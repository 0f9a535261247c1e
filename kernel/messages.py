"""What crosses the kernel's socket: one JSON object a line, UTF-8.

A client sends requests of at most `MAX_LINE` bytes:
`{"id": 7, "op": "send", "pid": 3, "text": "hello"}`. The kernel answers each with one reply that
carries the same id, `{"id": 7, "ok": true, "result": {…}}` or
`{"id": 7, "ok": false, "error": {"code": "ESRCH", "message": "…", "hint": "…"}}`, in any order
(`wait` may take hours). Between replies come events of the processes that this connection is
attached to: `{"event": "text", "pid": 3, "text": "Hi"}`.

Plain dataclasses on purpose: the client must start without pydantic. The kernel validates what
arrives against these very classes with a pydantic `TypeAdapter` (`kernel/server.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

MAX_LINE = 1 << 20
"""Longest request, in bytes. What the kernel sends may be longer (`logs`)."""

EngineState = Literal["loading", "ready", "restarting", "failed"]
TurnStatus = Literal["done", "interrupted", "failed"]
SignalName = Literal["INT", "TERM", "KILL", "STOP", "CONT", "USR1", "XCPU"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
Restart = Literal["permanent", "transient", "temporary"]


# ---- parts of requests --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A child of a supervisor. A `permanent` one is restarted whatever its end, a `transient` one
    after a failure, a `temporary` one never. One run takes `timeout_s` at most; one that makes no
    step for `watchdog_s`, and waits for no message, is taken for hung and killed. When it must
    end it is told so (TERM), and killed after `shutdown_s` (None: never). The rest is as in
    `Spawn`; the `task` of a `supervisor` is its `Supervision`, as JSON text."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}
    name: str
    task: str | None = None
    restart: Restart = "permanent"
    program: str = "agent"
    interactive: bool = False
    limits: dict[str, float | list[float | None]] = field(default_factory=dict)
    budget: int | None = None
    timeout_s: float | None = None
    watchdog_s: float | None = None
    shutdown_s: float | None = 5.0
    tools: list[str] | None = None
    nice: int | None = None


@dataclass(frozen=True, slots=True)
class Supervision:
    """What a supervisor is to do. `strategy` says who is restarted with a child that failed: it
    alone, all, or it and those after it. More than `max_restarts` within `window_s` are too many:
    the supervisor ends its children and fails."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}
    children: list[ChildSpec]
    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    window_s: float = 60.0


# ---- requests -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Status:
    """→ `KernelStatus`."""

    op: Literal["status"] = "status"


@dataclass(frozen=True, slots=True)
class Ps:
    """→ `{"processes": [ProcessInfo, …]}`, by pid; zombies included until reaped."""

    op: Literal["ps"] = "ps"


@dataclass(frozen=True, slots=True)
class Spawn:
    """→ `{"pid": 4}`, once the new process is in the journal.

    `task` is its first message. An interactive process waits for more messages after each
    answer; any other one exits with its first final answer as output. `root` is the folder that
    its file syscalls see (absolute). With `attach`, events flow to this connection from the
    first token on.

    `stdin` and `stdout` are pipes: what it says goes out through the one. From the other, a
    process that is not interactive reads to the end before it begins, and gets it with its task;
    an interactive one takes each line for a message.

    `tools` are the syscalls that it is offered (None: the usual ones). `limits` says how much of
    a resource it may use, `{"tokens": 1000}` or `{"wall_s": [50, 60]}` with a soft and a hard
    limit; never more than its parent may. `budget` is a number of tokens that it may use or pass
    on to children.
    """

    task: str | None = None
    root: str = "/"
    name: str | None = None
    interactive: bool = False
    attach: bool = False
    parent: int = 1
    nice: int | None = None
    tools: list[str] | None = None
    limits: dict[str, float | list[float | None]] = field(default_factory=dict)
    budget: int | None = None
    stdin: int | None = None
    stdout: int | None = None
    op: Literal["spawn"] = "spawn"


@dataclass(frozen=True, slots=True)
class MakePipe:
    """→ `{"pipe": 3}`: a pipe whose two ends this connection holds until it closes them or ends.
    `capacity` is in bytes."""

    capacity: int = 65536
    op: Literal["pipe"] = "pipe"


@dataclass(frozen=True, slots=True)
class PipeWrite:
    """→ `{}`, once the text is in the journal; waits until there is room. EPIPE when nobody
    reads."""

    pipe: int
    text: str
    op: Literal["pipe_write"] = "pipe_write"


@dataclass(frozen=True, slots=True)
class PipeRead:
    """→ `{"text": "…", "eof": false}`: at most `limit` characters, as soon as there are any. ETIME
    after `timeout_s`."""

    pipe: int
    limit: int = 65536
    timeout_s: float | None = None
    op: Literal["pipe_read"] = "pipe_read"


@dataclass(frozen=True, slots=True)
class PipeClose:
    """→ `{}`: this connection no longer holds that end."""

    pipe: int
    end: Literal["read", "write"]
    op: Literal["pipe_close"] = "pipe_close"


@dataclass(frozen=True, slots=True)
class Fork:
    """→ `{"pid": 5}`: a child of `pid` with the same pages, which goes on by itself, with `task`
    as its next message (or as its parent would, if it is in the middle of a turn)."""

    pid: int
    task: str | None = None
    name: str | None = None
    interactive: bool | None = None
    attach: bool = False
    budget: int | None = None
    op: Literal["fork"] = "fork"


@dataclass(frozen=True, slots=True)
class Exec:
    """→ `{}`: the process begins anew with another task and an empty window; pid, tree, mailbox,
    limits and usage stay."""

    pid: int
    task: str
    name: str | None = None
    op: Literal["exec"] = "exec"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """→ `{"pids": [4, 5]}`: writes the process, with `tree` also all below it, to the file `path`
    (absolute, must not exist). The process lives on."""

    pid: int
    path: str
    tree: bool = False
    op: Literal["checkpoint"] = "checkpoint"


@dataclass(frozen=True, slots=True)
class Restore:
    """→ `{"pid": 9, "pids": {"4": 9, "5": 10}}`: what a checkpoint holds lives again, under new
    pids, with `root` as its folder (absolute; None: the old one)."""

    path: str
    root: str | None = None
    op: Literal["restore"] = "restore"


@dataclass(frozen=True, slots=True)
class Renice:
    """→ `{}`. From -20 (first) to 19 (last)."""

    pid: int
    nice: int
    op: Literal["renice"] = "renice"


@dataclass(frozen=True, slots=True)
class Send:
    """→ `{}`, once the message is in the journal; it waits in the mailbox until it is read."""

    pid: int
    text: str
    op: Literal["send"] = "send"


@dataclass(frozen=True, slots=True)
class Attach:
    """→ `ProcessInfo`; from here on this connection gets the process's events."""

    pid: int
    op: Literal["attach"] = "attach"


@dataclass(frozen=True, slots=True)
class Detach:
    """→ `{}`. The process lives on."""

    pid: int
    op: Literal["detach"] = "detach"


@dataclass(frozen=True, slots=True)
class Kill:
    """→ `{}`, once the signal is in the journal. `INT` ends the turn and keeps what was generated
    (an interactive process then waits for the next message, any other exits with 130); `TERM`
    ends the process, with a last turn if it is in the middle of one; `KILL` ends it at once.
    `STOP` and `CONT` halt it and let it go on. `USR1` delivers `payload` as a message. `to` says
    whether the process alone is meant, its process group, or it and all below it."""

    pid: int
    signal: SignalName = "TERM"
    payload: str = ""
    to: Literal["process", "group", "tree"] = "process"
    op: Literal["kill"] = "kill"


@dataclass(frozen=True, slots=True)
class Wait:
    """→ `ExitInfo`, when the process has ended; it is reaped. ETIME after `timeout_s`."""

    pid: int
    timeout_s: float | None = None
    op: Literal["wait"] = "wait"


@dataclass(frozen=True, slots=True)
class Supervise:
    """→ `{"pid": 4}`: a supervisor, which starts the children of `spec` in their order, as one
    process group with it, and restarts them. It ends with 0 when all of them have ended for good,
    with 1 when it gave up; its pages are its diary. The other fields are as in `Spawn`."""

    spec: Supervision
    root: str = "/"
    name: str | None = None
    attach: bool = False
    parent: int = 1
    limits: dict[str, float | list[float | None]] = field(default_factory=dict)
    budget: int | None = None
    op: Literal["supervise"] = "supervise"


@dataclass(frozen=True, slots=True)
class Link:
    """→ `{}`: two processes share their fate. When one ends with a status other than 0, the other
    gets TERM, and its output names the one that failed. An end with 0 only ends the link."""

    pid: int
    partner: int
    op: Literal["link"] = "link"


@dataclass(frozen=True, slots=True)
class Unlink:
    """→ `{}`, also when there was no link."""

    pid: int
    partner: int
    op: Literal["unlink"] = "unlink"


@dataclass(frozen=True, slots=True)
class Logs:
    """→ `{"pages": [PageInfo, …]}`: all that the process ever read or said, oldest first."""

    pid: int
    op: Literal["logs"] = "logs"


@dataclass(frozen=True, slots=True)
class Plugins:
    """→ `{"plugins": [PluginInfo, …]}`."""

    op: Literal["plugins"] = "plugins"


@dataclass(frozen=True, slots=True)
class Syscalls:
    """→ `{"syscalls": [SyscallInfo, …]}`, all of them or the one that is named (else ENOSYS)."""

    name: str | None = None
    op: Literal["syscalls"] = "syscalls"


@dataclass(frozen=True, slots=True)
class Halt:
    """→ `{}`, then the kernel parks its processes and ends."""

    op: Literal["halt"] = "halt"


Request = (
    Status
    | Ps
    | Spawn
    | MakePipe
    | PipeWrite
    | PipeRead
    | PipeClose
    | Fork
    | Exec
    | Checkpoint
    | Restore
    | Renice
    | Send
    | Attach
    | Detach
    | Kill
    | Wait
    | Supervise
    | Link
    | Unlink
    | Logs
    | Plugins
    | Syscalls
    | Halt
)


# ---- results ------------------------------------------------------------------------------


@dataclass(slots=True)  # not frozen, as ProcessInfo
class Usage:
    """What a process has cost so far."""

    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    syscalls: int = 0
    engine_s: float = 0.0


@dataclass(slots=True)  # not frozen: one `ps` makes thousands, and it would take twice as long
class ProcessInfo:
    """A row of `ps`. `waits_for` says what a blocked process waits for, in words; `limits` are
    soft and hard, None where there is none; `budget` is what was granted, not what is left."""

    pid: int
    parent: int
    state: str
    program: str
    name: str
    interactive: bool
    created: float
    waits_for: str = ""
    exit_status: int | None = None
    usage: Usage = field(default_factory=Usage)
    group: int = 0
    session: int = 0
    nice: int = 0
    budget: int | None = None
    limits: dict[str, list[float | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExitInfo:
    """How a process ended: 0, 1 failed, 130 INT, 137 KILL, 141 PIPE, 143 TERM, 152 a limit;
    `output` is its answer."""

    pid: int
    status: int
    output: str
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class PageInfo:
    """One page of a conversation. `role` is the chat role; `calls` are syscalls it asks for."""

    vpn: int
    role: str
    text: str
    calls: list[dict[str, Any]]
    num_tokens: int
    resident: bool
    created: float


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One plugin. `error` is the true cause why it is not in use, with file and line; or ''."""

    name: str
    origin: str
    version: str
    syscalls: list[str]
    load_ms: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class SyscallInfo:
    """One syscall as its manual page tells it; `parameters` is the JSON schema."""

    name: str
    plugin: str
    summary: str
    description: str
    parameters: dict[str, Any]
    needs: str | None
    timeout_s: float
    effect: str
    source: str


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The engine as a user sees it. `detail` says what it does at the moment, or why it failed."""

    driver: str
    model: str
    state: EngineState
    detail: str
    elapsed_s: float
    running: int
    waiting: int
    tokens_per_s: float
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """→ of `status`."""

    version: str
    os_pid: int
    state_dir: str
    uptime_s: float
    processes: int
    usage: Usage
    engine: EngineStatus


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An errno with words: `code` is its name, `hint` the way out."""

    code: str
    message: str
    hint: str = ""


# ---- events -------------------------------------------------------------------------------


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


Event = Text | Call | Result | Turn | State | Exit
