"""All that a client can ask for. The kernel finds the class of a request by its `op`."""

from __future__ import annotations

from .guests import CallSyscall, CancelCall, Offered, OpenGuest
from .knowledge import KnowledgeRequest
from .memory import Cat, DiskUsage, Fsck, Pages
from .mounts import ApproveMount, Mounts
from .pipes import MakePipe, PipeClose, PipeRead, PipeWrite
from .processes import (
    Attach,
    Checkpoint,
    Detach,
    Exec,
    Fork,
    Kill,
    Logs,
    Ps,
    Renice,
    Restore,
    Send,
    SetGroup,
    SetSession,
    Spawn,
    Wait,
)
from .scheduling import LookAtScheduler, ShareEngine, UsePolicy, Why
from .supervision import Link, Supervise, Unlink
from .system import DecidePlugin, Halt, Plugins, Status, Syscalls
from .tracing import StartTrace, StopTrace

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
    | SetGroup
    | SetSession
    | Send
    | Attach
    | Detach
    | Kill
    | Wait
    | Supervise
    | Link
    | Unlink
    | Logs
    | Pages
    | DiskUsage
    | Cat
    | Fsck
    | OpenGuest
    | CallSyscall
    | CancelCall
    | Offered
    | Plugins
    | Mounts
    | ApproveMount
    | DecidePlugin
    | Syscalls
    | LookAtScheduler
    | UsePolicy
    | ShareEngine
    | Why
    | StartTrace
    | StopTrace
    | Halt
    | KnowledgeRequest
)
