"""Processes: how they are made, looked at, talked to and acted on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

SignalName = Literal["INT", "TERM", "KILL", "STOP", "CONT", "USR1", "XCPU"]


@dataclass(frozen=True, slots=True)
class Ps:
    """→ `{"processes": {"pid": [1, 4, …], "parent": [0, 1, …], …}}`: a `ProcessInfo` a process, by
    columns (those of `usage` are again an object), in the order of the pids; zombies included until
    reaped."""

    op: Literal["ps"] = "ps"


@dataclass(frozen=True, slots=True)
class Logs:
    """→ `{"pages": [PageInfo, …], "image": 0}`: all that the process ever read or said, oldest
    first, from page `first` on. With each exec it begins anew, and `image` counts them."""

    pid: int
    first: int = 0
    op: Literal["logs"] = "logs"


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
    on to children. `program` is what runs in it: `agent`, or a plugin's, `acme.twice`. `group` is
    the process group that it joins, and with it its session, for a child of process 1 alone; ESRCH
    when nobody is in it.

    `output_schema` is a JSON schema that its final answers are of. One that comes to another answer
    nevertheless (cut off by a limit on tokens, say) ends with 65.
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
    program: str = "agent"
    output_schema: dict[str, Any] | None = None
    group: int | None = None
    op: Literal["spawn"] = "spawn"


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
class SetGroup:
    """→ `{"group": 4}`: moves the process to the process group `group` of its session (else
    ESRCH), or to one of its own (its pid, or None)."""

    pid: int
    group: int | None = None
    op: Literal["setpgid"] = "setpgid"


@dataclass(frozen=True, slots=True)
class SetSession:
    """→ `{"session": 4}`: the process begins a session of its own, and a process group in it. EPERM
    if it leads one, or while there is a group of its pid, which would span two sessions."""

    pid: int
    op: Literal["setsid"] = "setsid"


@dataclass(frozen=True, slots=True)
class Send:
    """→ `{}`, once the message is in the journal; it waits in the mailbox until it is read."""

    pid: int
    text: str
    op: Literal["send"] = "send"


@dataclass(frozen=True, slots=True)
class Attach:
    """→ `AttachInfo`; from here on this connection gets the process's events, which go on exactly
    where that ends."""

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


ProcessRequest = (
    Ps
    | Logs
    | Spawn
    | Fork
    | Exec
    | Checkpoint
    | Restore
    | Renice
    | SetGroup
    | SetSession
    | Send
    | Attach
    | Detach
    | Kill
    | Wait
)
