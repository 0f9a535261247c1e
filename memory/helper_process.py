"""A process beside the caller's that does one kind of work for it: they talk over a socket pair, of
which nobody else has an end, and it dies with the caller."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress

MAX_LINE = 1 << 16


class HelperProcess:
    """Can be started again once it has ended. Belongs to one event loop."""

    def __init__(self, module: str, max_line: int = MAX_LINE) -> None:
        """`module`, of this room, gets as its arguments the number of its end of the socket pair,
        the caller's pid, and what `start` is given. `max_line` is that of the reader, in bytes."""
        self._module = f"{__package__}.{module}"
        self._max_line = max_line
        self._process: asyncio.subprocess.Process | None = None
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int | None:
        """While there is one."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, *arguments: str) -> None:
        """Raises OSError. Whatever it raises, `end` tidies up."""
        ours, theirs = socket.socketpair()
        try:
            self.reader, self.writer = await asyncio.open_unix_connection(
                sock=ours, limit=self._max_line
            )
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", self._module,
                str(theirs.fileno()), str(os.getpid()), *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
        finally:
            theirs.close()

    async def end(self) -> None:
        """At once, if there is one."""
        process, writer = self._process, self.writer
        self._process = self.reader = self.writer = None
        if writer:
            writer.close()
        if process and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
