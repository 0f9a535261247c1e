"""The pipe: text on its way from those that write to those that read, bounded.

A pipe holds at most `capacity` bytes, and what one save brought over it: a writer that generates is
stopped at the next token boundary, for it cannot be stopped within one. Both ends may be held by
several: processes (in the journal) and clients (as long as their connection lives). When nobody
holds a write end any more, the readers come to an end of file; when nobody holds a read end, the
pipe is broken.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

DEFAULT_CAPACITY = 64 << 10


class End(enum.Enum):
    """The value is the name of the descriptor of a process that holds it."""

    READ = "stdin"
    WRITE = "stdout"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text that was written at once; `seq` is its row in the journal."""

    seq: int
    text: str

    @property
    def num_bytes(self) -> int:
        return len(self.text.encode())


@dataclass(frozen=True, slots=True)
class Taken:
    """What a read takes away: all chunks before `rest`, and of that what is before its text."""

    text: str
    last: int  # the last row that it touches
    rest: Chunk | None  # what is left of that row


class Pipe:
    """In memory; the journal has the same. Owned by the kernel's `Plumbing`."""

    def __init__(self, pipe_id: int, capacity: int = DEFAULT_CAPACITY) -> None:
        self.id = pipe_id
        self.capacity = capacity
        self.cut = False  # a client that wrote went away without a word: there may be more
        self.num_bytes = 0
        self.next_seq = 0
        self._chunks: deque[Chunk] = deque()
        self._holders: dict[End, set[int]] = {End.READ: set(), End.WRITE: set()}
        self._clients: dict[End, int] = {End.READ: 0, End.WRITE: 0}
        self._changes: set[asyncio.Future[None]] = set()
        self.writing = asyncio.Lock()  # clients write one after the other
        self._claim: object = None  # who is reading: what it takes is being committed

    # ---- ends -----------------------------------------------------------------------------

    def open(self, end: End, pid: int | None) -> None:
        """One more that holds an end: a process, or a client (None)."""
        if pid is None:
            self._clients[end] += 1
        else:
            self._holders[end].add(pid)

    def close(self, end: End, pid: int | None) -> None:
        if pid is None:
            self._clients[end] -= 1
        else:
            self._holders[end].discard(pid)
        self._changed()

    def pids(self, end: End) -> frozenset[int]:
        """The processes that hold an end; none if a client does too: it may do what they do not."""
        return frozenset() if self._clients[end] else frozenset(self._holders[end])

    def is_open(self, end: End) -> bool:
        return bool(self._clients[end] or self._holders[end])

    @property
    def broken(self) -> bool:
        """Is there nobody who could read?"""
        return not self.is_open(End.READ)

    @property
    def eof(self) -> bool:
        """Is there nothing to read, and nobody who could write?"""
        return not self._chunks and not self.is_open(End.WRITE)

    @property
    def abandoned(self) -> bool:
        return self.broken and not self.is_open(End.WRITE)

    # ---- text -----------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        return self.num_bytes >= self.capacity

    @property
    def empty(self) -> bool:
        return not self._chunks

    @property
    def chunks(self) -> Sequence[Chunk]:
        return tuple(self._chunks)

    def put(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self.num_bytes += chunk.num_bytes
        self.next_seq = max(self.next_seq, chunk.seq + 1)
        self._changed()

    def peek(self, limit: int | None = None, *, by: object) -> Taken | None:
        """What a read of at most `limit` characters would take; None when there is nothing, or
        nothing for this reader because another one is reading."""
        if self._claim not in (None, by):
            return None
        texts, room, last, rest = [], limit, -1, None
        for chunk in self._chunks:
            if room is not None and room <= 0:
                break
            part = chunk.text if room is None else chunk.text[:room]
            texts.append(part)
            last = chunk.seq
            if len(part) < len(chunk.text):
                rest = Chunk(chunk.seq, chunk.text[len(part) :])
            if room is not None:
                room -= len(part)
        return Taken("".join(texts), last, rest) if texts else None

    def peek_line(self, by: object, *, begun: bool = False) -> Taken | None:
        """A whole line with its end, and the blank ones before it; or all, if there will be no
        more. Of a line that is `begun`, what is there may be blank."""
        length, blank = 0, not begun
        for chunk in self._chunks:
            start = 0
            while (at := chunk.text.find("\n", start)) >= 0:
                blank = blank and not chunk.text[start:at].strip()
                if not blank:
                    return self.peek(length + at + 1, by=by)
                start = at + 1
            blank = blank and not chunk.text[start:].strip()
            length += len(chunk.text)
        return None if self.is_open(End.WRITE) else self.peek(by=by)

    def claim(self, reader: object) -> None:
        self._claim = reader

    def unclaim(self, reader: object) -> None:
        if self._claim is reader:
            self._claim = None
            self._changed()

    def take(self, taken: Taken) -> None:
        while self._chunks and self._chunks[0].seq <= taken.last:
            self.num_bytes -= self._chunks.popleft().num_bytes
        if taken.rest is not None:
            self._chunks.appendleft(taken.rest)
            self.num_bytes += taken.rest.num_bytes
        self._claim = None
        self._changed()

    # ---- waiting --------------------------------------------------------------------------

    def change(self) -> asyncio.Future[None]:
        """Done when text comes or goes, or an end is closed: from this call on, not from when it
        is awaited."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changes.add(future)
        future.add_done_callback(self._changes.discard)
        return future

    @property
    def drained(self) -> bool:
        """Is there room enough to begin again? At the first free byte it would be too dear."""
        return self.num_bytes <= self.capacity // 2

    async def room(self) -> None:
        """Until there is some, or nobody reads any more."""
        while self.full and not self.broken:
            await self.change()

    def _changed(self) -> None:
        for future in tuple(self._changes):
            if not future.done():
                future.set_result(None)


async def first_of(*waits: Awaitable[object]) -> None:
    """Until one of them is done."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
