"""What crosses the kernel's socket: one JSON object a line, UTF-8.

A client sends requests of at most `MAX_LINE` bytes:
`{"id": 7, "op": "send", "pid": 3, "text": "hello"}`. The kernel answers each with one reply that
carries the same id, `{"id": 7, "ok": true, "result": {…}}` or
`{"id": 7, "ok": false, "error": {"code": "ESRCH", "message": "…", "hint": "…"}}`, in any order
(`wait` may take hours). Between replies come events of the processes that this connection is
attached to: `{"event": "text", "pid": 3, "text": "Hi"}`.

Plain dataclasses on purpose: the client must start without pydantic. The kernel validates what
arrives against these very classes with a pydantic `TypeAdapter` (`kernel/server.py`).

Requests are in a file a topic (`processes`, `memory`, `pipes`, `supervision`, `system`) and
together in `requests`; `results` and `events` are what comes back.
"""

from __future__ import annotations

from .events import Call, Event, Exit, Result, State, Text, Turn, TurnStatus
from .memory import (
    Cat,
    DiskUsage,
    FlushRow,
    Fsck,
    MemoryUsage,
    PageRow,
    Pages,
    PageTable,
    RecallUsage,
    SpaceUsage,
)
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
    SignalName,
    Spawn,
    Wait,
)
from .requests import Request
from .results import (
    EngineState,
    EngineStatus,
    ErrorInfo,
    ExitInfo,
    KernelStatus,
    PageInfo,
    PluginInfo,
    ProcessInfo,
    SyscallInfo,
    Usage,
)
from .supervision import ChildSpec, Link, Restart, Strategy, Supervise, Supervision, Unlink
from .system import Halt, Plugins, Status, Syscalls

__all__ = [
    "MAX_LINE",
    "Attach",
    "Call",
    "Cat",
    "Checkpoint",
    "ChildSpec",
    "Detach",
    "DiskUsage",
    "EngineState",
    "EngineStatus",
    "ErrorInfo",
    "Event",
    "Exec",
    "Exit",
    "ExitInfo",
    "FlushRow",
    "Fork",
    "Fsck",
    "Halt",
    "KernelStatus",
    "Kill",
    "Link",
    "Logs",
    "MakePipe",
    "MemoryUsage",
    "PageInfo",
    "PageRow",
    "PageTable",
    "Pages",
    "PipeClose",
    "PipeRead",
    "PipeWrite",
    "PluginInfo",
    "Plugins",
    "ProcessInfo",
    "Ps",
    "RecallUsage",
    "Renice",
    "Request",
    "Restart",
    "Restore",
    "Result",
    "Send",
    "SetGroup",
    "SetSession",
    "SignalName",
    "SpaceUsage",
    "Spawn",
    "State",
    "Status",
    "Strategy",
    "Supervise",
    "Supervision",
    "SyscallInfo",
    "Syscalls",
    "Text",
    "Turn",
    "TurnStatus",
    "Unlink",
    "Usage",
    "Wait",
]

MAX_LINE = 1 << 20
"""Longest request, in bytes. What the kernel sends may be longer (`logs`)."""
