"""Plumbing: which process or client holds which end of which pipe, and what flows."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable

from ..memory.swap import Statement
from ..syscalls.errno import EAGAIN, EINVAL, ENOENT, EPIPE, ETIME
from . import pipe_records
from .core import Core
from .journal import JournalError
from .pipe import DEFAULT_CAPACITY, Chunk, End, Pipe, Taken
from .process import Process

MAX_CAPACITY = 16 << 20
MAX_PIPES = 10_000
MAX_CHARACTER_BYTES = 4

Action = Callable[[], None]


class Plumbing(Core):
    """Makes pipes, connects them, and moves text; each change in the journal with `after`."""

    # ---- making and connecting ------------------------------------------------------------

    async def make_pipe(self, capacity: int = DEFAULT_CAPACITY) -> Pipe:
        """A pipe whose two ends a client holds. Raises EAGAIN, EINVAL."""
        if not 1 <= capacity <= MAX_CAPACITY:
            raise EINVAL(f"a pipe holds from 1 to {MAX_CAPACITY} bytes, not {capacity}")
        if len(self.pipes) >= MAX_PIPES:
            raise EAGAIN(f"there are {MAX_PIPES} pipes, which is the limit", hint="close some")
        pipe = self.new_pipe(capacity)

        def take_place() -> None:
            for end in End:
                pipe.open(end, None)
            self.pipes[pipe.id] = pipe

        await self.journal.commit([pipe_records.insert_pipe(pipe, fed=True)], take_place)
        return pipe

    def new_pipe(self, capacity: int) -> Pipe:
        """Not yet in the journal, nor anywhere."""
        return Pipe(next(self._pipe_ids), capacity)

    def pipe(self, pipe_id: int) -> Pipe:
        """Raises ENOENT."""
        found = self.pipes.get(pipe_id)
        if found is None:
            raise ENOENT(f"no pipe {pipe_id}", hint="it goes with the last who holds an end of it")
        return found

    def connect(self, process: Process) -> list[Statement]:
        """A process that is being born holds its ends from now on, lest a pipe goes while the
        birth is committed. Raises EAGAIN."""
        ends, most = ends_of(process), process.limits.of("pipes").hard
        if len(ends) > most:
            raise EAGAIN(f"it would hold {len(ends)} ends of pipes, and {most:.0f} is its limit")
        for end, pipe in ends:
            pipe.open(end, process.pid)
        return [pipe_records.insert_end(process.pid, end, pipe) for end, pipe in ends]

    def disconnect(self, process: Process) -> None:
        """A process that has ended, or was not born, holds nothing; it has no rows any more."""
        for end, pipe in ends_of(process):
            pipe.unclaim(process)
            self.close_end(pipe, end, process.pid)
        process.stdin = process.stdout = None

    async def close_stdin(self, process: Process) -> None:
        """It has been read to its end."""
        pipe = process.stdin
        if pipe is None:
            return

        def take_place() -> None:
            process.stdin = None
            self.close_end(pipe, End.READ, process.pid)

        await self.journal.commit([pipe_records.delete_end(process.pid, End.READ)], take_place)

    def close_end(self, pipe: Pipe, end: End, pid: int | None = None) -> None:
        """In memory: of a process (its row has gone), or of a client."""
        pipe.close(end, pid)
        self.drop_if_abandoned(pipe)

    async def fed_whole(self, pipe: Pipe) -> None:
        """A client has written all that it wanted to, and closes its end."""
        await self.journal.commit(
            [pipe_records.fed_whole(pipe)], lambda: self.close_end(pipe, End.WRITE)
        )

    def cut_off(self, pipe: Pipe, end: End) -> None:
        """A client has gone, with an end in its hand."""
        pipe.cut = pipe.cut or end is End.WRITE
        self.close_end(pipe, end)

    def drop_if_abandoned(self, pipe: Pipe) -> None:
        if pipe.abandoned and pipe.id in self.pipes:
            del self.pipes[pipe.id]
            self.journal.post(pipe_records.delete_pipe(pipe.id))

    # ---- text -----------------------------------------------------------------------------

    def writing(self, pipe: Pipe, text: str) -> tuple[list[Statement], Action]:
        """What it takes to write; part of some commit. Nothing, if nobody reads any more."""
        if not text or pipe.broken:
            return [], lambda: None
        chunk = Chunk(pipe.next_seq, text)
        pipe.next_seq += 1  # a commit that fails leaves a gap, which hurts nobody
        return [pipe_records.insert_chunk(pipe, chunk)], lambda: pipe.put(chunk)

    def reading(self, pipe: Pipe, taken: Taken, by: object) -> tuple[list[Statement], Action]:
        """What it takes to read; part of some commit. Nobody else reads until that is done; who
        does not get it done tries again, or gives up with `Pipe.unclaim`."""
        pipe.claim(by)
        return pipe_records.take(pipe, taken), lambda: pipe.take(taken)

    async def write(self, pipe: Pipe, text: str) -> None:
        """For a client: waits until there is room, for each piece that a pipe can hold. Raises
        EPIPE."""
        length = max(1, pipe.capacity // MAX_CHARACTER_BYTES)
        async with pipe.writing:  # else all that wait for room would find the same
            for start in range(0, max(1, len(text)), length):
                await pipe.room()
                if pipe.broken:
                    raise EPIPE(f"nobody reads pipe {pipe.id} any more")
                await self.journal.commit(*self.writing(pipe, text[start : start + length]))

    def cut_short(self, process: Process) -> tuple[list[Statement], Action]:
        """The answer that it was writing will not be finished: what there is of it is a line."""
        pipe, begun = process.stdout, process.written > 0
        statements, put = self.writing(pipe, "\n") if pipe and begun else ([], lambda: None)

        def take_place() -> None:
            put()
            process.written = 0

        return statements, take_place

    async def read(self, pipe: Pipe, limit: int, timeout_s: float | None) -> tuple[str, bool]:
        """For a client: at most `limit` characters, as soon as there are any, and whether that was
        the last of it. Raises ETIME."""
        reader = object()
        try:
            async with asyncio.timeout(timeout_s):
                while (taken := pipe.peek(limit, by=reader)) is None and not pipe.eof:
                    await pipe.change()
        except TimeoutError:
            raise ETIME(f"nothing came through pipe {pipe.id} within {timeout_s:g} s") from None
        if taken is None:
            return "", True
        await self.to_the_end(self._read(pipe, taken, reader))
        return taken.text, pipe.eof

    async def _read(self, pipe: Pipe, taken: Taken, reader: object) -> None:
        try:
            await self.journal.commit(*self.reading(pipe, taken, reader))
        except JournalError:
            pipe.unclaim(reader)
            raise

    def adopt_pipes(self, pipes: Iterable[Pipe], last_id: int) -> None:
        """Take over what recovery found. An id is used once: who remembers it must not come upon
        another pipe."""
        self.pipes = {pipe.id: pipe for pipe in pipes}
        self._pipe_ids = itertools.count(last_id + 1)
        for pipe in tuple(self.pipes.values()):
            self.drop_if_abandoned(pipe)


def ends_of(process: Process) -> list[tuple[End, Pipe]]:
    pairs = ((End.READ, process.stdin), (End.WRITE, process.stdout))
    return [(end, pipe) for end, pipe in pairs if pipe is not None]
