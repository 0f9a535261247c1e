"""The intake: what a process reads next, out of its mailbox and its stdin.

One that is interactive reads a message or a line of its stdin, whichever is there; each is a turn,
and a blank line is none. A line that is longer than its pipe is collected until its end has come.
One that is not interactive collects its stdin to the end first and reads it with its task, as a
program that sorts does. What was collected is in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..memory.swap import Statement
from ..syscalls.errno import EFBIG, EPIPE
from . import deadlock, pipe_records, records
from .kernel import Kernel
from .mailbox import FROM_OUTSIDE, Message
from .pipe import End, Pipe, Taken, first_of
from .process import Process, Waiting

MAX_COLLECTED = 1 << 20
"""Characters: of all the input of a process that is not interactive, or of one line."""

BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")
"""At the beginning of a text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Text for the next page, and what the commit of that page brings with it."""

    text: str
    statements: list[Statement]
    take_place: Callable[[], None]


class Intake:
    """Of one process."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self._kernel = kernel
        self._process = process

    @property
    def waits(self) -> Waiting:
        """What for, while nothing is there."""
        process, pipe = self._process, self._process.stdin
        if pipe is None or process.interactive:
            return Waiting("a message")
        writers = pipe.pids(End.WRITE)
        return Waiting("its input", writers, lambda: not pipe.empty or pipe.eof)

    @property
    def ready(self) -> bool:
        process, pipe = self._process, self._process.stdin
        if pipe is None:
            return len(process.mailbox) > 0
        if process.interactive:
            return len(process.mailbox) > 0 or self._line(pipe) is not None or pipe.eof
        return pipe.eof and len(process.mailbox) > 0

    def _line(self, pipe: Pipe) -> Taken | None:
        return pipe.peek_line(self._process, begun=bool(self._process.collected))

    async def arrival(self) -> None:
        """Until something is there. Raises EDEADLK, EFBIG, EPIPE."""
        process = self._process
        while not self.ready:
            pipe = process.stdin
            if pipe is None:
                await process.mailbox.next()
            elif process.interactive:
                if not (pipe.full and await self._collect(pipe)):
                    await first_of(process.mailbox.next(), pipe.change())
            elif pipe.eof:
                await process.mailbox.next()
            elif not await self._collect(pipe):
                process.waiting = self.waits  # whoever held an end may have let it go
                deadlock.check(self._kernel.table, process, pipe.pids(End.WRITE))
                await pipe.change()

    async def _collect(self, pipe: Pipe) -> bool:
        """Move what is in the pipe to what was collected; was there anything?"""
        process = self._process
        taken = pipe.peek(by=process)
        if taken is None:
            return False
        text = self._bounded(taken)
        if process.interactive and not text.strip():
            text = ""  # blank lines
        statements, take = self._kernel.reading(pipe, taken, process)

        def take_place() -> None:
            take()
            process.collected = text

        more = text[len(process.collected) :]
        await self._kernel.journal.commit(
            [*statements, *([pipe_records.collect(process.pid, more)] if more else ())], take_place
        )
        return True

    def _bounded(self, taken: Taken) -> str:
        """What was collected, with what comes to it. Raises EFBIG."""
        process = self._process
        if len(process.collected) + len(taken.text) > MAX_COLLECTED:
            what, it = ("a line of more", "it") if process.interactive else ("more", "them")
            raise EFBIG(
                f"{what} than {MAX_COLLECTED} characters came through stdin",
                hint=f"write {it} to a file and ask for the file to be read",
            )
        return process.collected + taken.text

    async def take(self) -> Reading | None:
        """What was ready; None if that was the end of the input, which is then closed. Raises
        EFBIG, and EPIPE for an input that may not be whole."""
        process, pipe = self._process, self._process.stdin
        if pipe is not None and pipe.cut and pipe.eof and not process.interactive:
            raise EPIPE(
                "its input was cut off: whoever fed it has gone",
                hint="close the write end when all is written",
            )
        message = process.mailbox.first()
        if message is not None:
            return self._with_collected(message, pipe)
        return None if pipe is None else await self._next_line(pipe)

    async def _next_line(self, pipe: Pipe) -> Reading | None:
        process, taken = self._process, self._line(pipe)
        if taken is None and not pipe.eof:
            return None  # another reader was faster
        line = process.collected if taken is None else self._bounded(taken)
        if not line.strip():
            await self._kernel.close_stdin(process)
            return None
        statements, take = self._kernel.reading(pipe, taken, process) if taken else ([], None)
        if process.collected:
            statements.append(pipe_records.delete_collected(process.pid))

        def take_place() -> None:
            if take is not None:
                take()
            process.collected = ""

        return Reading(BLANK_LINES.sub("", line).rstrip("\n"), statements, take_place)

    def _with_collected(self, message: Message, pipe: Pipe | None) -> Reading:
        process, text = self._process, as_read(message)
        statements = [records.delete_message(message)]
        ends_input = pipe is not None and not process.interactive
        if ends_input:
            text = f"{text}\n\n{process.collected}".rstrip()
            statements += pipe_records.delete_ends_for_reading(process.pid)

        def take_place() -> None:
            process.mailbox.remove(message)
            if ends_input and pipe is not None:
                process.collected = ""
                process.stdin = None
                self._kernel.close_end(pipe, End.READ, process.pid)

        return Reading(text, statements, take_place)


def as_read(message: Message) -> str:
    """A message as the agent reads it: who else than its user says so is named."""
    if message.sender == FROM_OUTSIDE:
        return message.text if message.kind == "message" else f"({message.kind}) {message.text}"
    return f"(process {message.sender} says) {message.text}"
