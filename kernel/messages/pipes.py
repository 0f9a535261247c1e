"""Pipes: what is asked of them by whoever holds their ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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


PipeRequest = MakePipe | PipeWrite | PipeRead | PipeClose
