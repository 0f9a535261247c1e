"""What crosses the kernel's socket: one JSON object a line, UTF-8.

A client sends requests of at most `MAX_LINE` bytes:
`{"id": 7, "op": "send", "pid": 3, "text": "hello"}`. The kernel answers each with one reply that
carries the same id, `{"id": 7, "ok": true, "result": {…}}` or
`{"id": 7, "ok": false, "error": {"code": "ESRCH", "message": "…", "hint": "…"}}`, in any order
(`wait` may take hours). Between replies come events of the processes that this connection is
attached to: `{"event": "text", "pid": 3, "text": "Hi"}`.

Plain dataclasses on purpose: the client must start without pydantic. The kernel validates what
arrives against these very classes with a pydantic `TypeAdapter` (`kernel/server.py`).

Requests are in a file a topic (`processes`, `guests`, `memory`, `knowledge`, `pipes`,
`supervision`, `scheduling`, `tracing`, `mounts`, `system`), which ends with all of that topic, and
together in `requests`; `results` and `events` are what comes back. The kernel answers them in
`kernel/answers/`, a file a topic as well.
"""

from __future__ import annotations

from .events import Call, Event, Exit, Result, State, Text, Told, ToldKind, Turn, TurnStatus
from .guests import CallResult, CallSyscall, CancelCall, GuestRequest, Offered, OpenGuest
from .knowledge import (
    AddPassages,
    CitationInfo,
    DocumentInfo,
    ExcerptInfo,
    FoundPassage,
    KnowledgeRequest,
    ListDocuments,
    ListNamespaces,
    NamespaceInfo,
    OpenNamespace,
    RemoveDocuments,
    SameDocument,
    SearchNamespaces,
    SourceInfo,
)
from .memory import (
    Cat,
    DiskUsage,
    FlushRow,
    Fsck,
    MemoryRequest,
    MemoryUsage,
    PageRow,
    Pages,
    PageTable,
    RecallUsage,
    SpaceUsage,
)
from .mounts import ApproveMount, MountedTool, MountInfo, MountRequest, Mounts
from .pipes import MakePipe, PipeClose, PipeRead, PipeRequest, PipeWrite
from .processes import (
    Attach,
    Checkpoint,
    Detach,
    Exec,
    Fork,
    Kill,
    Logs,
    ProcessRequest,
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
from .scheduling import (
    BlockInfo,
    LevelInfo,
    LookAtScheduler,
    SchedulerInfo,
    SchedulingRequest,
    ShareEngine,
    UsePolicy,
    WaitWord,
    Why,
    WhyInfo,
)
from .supervision import (
    ChildSpec,
    Link,
    Restart,
    Strategy,
    Supervise,
    Supervision,
    SupervisionRequest,
    Unlink,
)
from .system import DecidePlugin, Halt, Plugins, Status, Syscalls, SystemRequest
from .tracing import StartTrace, StopTrace, TraceInfo, TracingRequest

__all__ = [
    "MAX_LINE",
    "AddPassages",
    "ApproveMount",
    "Attach",
    "BlockInfo",
    "Call",
    "CallResult",
    "CallSyscall",
    "CancelCall",
    "Cat",
    "Checkpoint",
    "ChildSpec",
    "CitationInfo",
    "DecidePlugin",
    "Detach",
    "DiskUsage",
    "DocumentInfo",
    "EngineState",
    "EngineStatus",
    "ErrorInfo",
    "Event",
    "ExcerptInfo",
    "Exec",
    "Exit",
    "ExitInfo",
    "FlushRow",
    "Fork",
    "FoundPassage",
    "Fsck",
    "GuestRequest",
    "Halt",
    "KernelStatus",
    "Kill",
    "KnowledgeRequest",
    "LevelInfo",
    "Link",
    "ListDocuments",
    "ListNamespaces",
    "Logs",
    "LookAtScheduler",
    "MakePipe",
    "MemoryRequest",
    "MemoryUsage",
    "MountInfo",
    "MountRequest",
    "MountedTool",
    "Mounts",
    "NamespaceInfo",
    "Offered",
    "OpenGuest",
    "OpenNamespace",
    "PageInfo",
    "PageRow",
    "PageTable",
    "Pages",
    "PipeClose",
    "PipeRead",
    "PipeRequest",
    "PipeWrite",
    "PluginInfo",
    "Plugins",
    "ProcessInfo",
    "ProcessRequest",
    "Ps",
    "RecallUsage",
    "RemoveDocuments",
    "Renice",
    "Request",
    "Restart",
    "Restore",
    "Result",
    "SameDocument",
    "SchedulerInfo",
    "SchedulingRequest",
    "SearchNamespaces",
    "Send",
    "SetGroup",
    "SetSession",
    "ShareEngine",
    "SignalName",
    "SourceInfo",
    "SpaceUsage",
    "Spawn",
    "StartTrace",
    "State",
    "Status",
    "StopTrace",
    "Strategy",
    "Supervise",
    "Supervision",
    "SupervisionRequest",
    "SyscallInfo",
    "Syscalls",
    "SystemRequest",
    "Text",
    "Told",
    "ToldKind",
    "TraceInfo",
    "TracingRequest",
    "Turn",
    "TurnStatus",
    "Unlink",
    "Usage",
    "UsePolicy",
    "Wait",
    "WaitWord",
    "Why",
    "WhyInfo",
]

MAX_LINE = 1 << 20
"""Longest request, in bytes. What the kernel sends may be longer (`logs`)."""
