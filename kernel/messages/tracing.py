"""The scheduling trace: what the scheduler does, written into a file as it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class StartTrace:
    """→ `{}`: the kernel writes a trace into a new file of about `max_bytes` at most, until it is
    told to stop or this connection ends. EAGAIN while another one is recorded, EEXIST, ENOENT."""

    path: str
    max_bytes: int = 256 << 20
    op: Literal["start_trace"] = "start_trace"


@dataclass(frozen=True, slots=True)
class StopTrace:
    """→ `TraceInfo`. ENOENT when this connection records nothing."""

    op: Literal["stop_trace"] = "stop_trace"


@dataclass(frozen=True, slots=True)
class TraceInfo:
    """A trace that has been written: `lost` events did not fit, or the disk was too slow for them;
    `error` says why it ends before its end, if it does."""

    path: str
    events: int
    lost: int
    bytes: int
    lasted_s: float
    error: str


TracingRequest = StartTrace | StopTrace
