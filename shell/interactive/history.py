"""What was typed, in a file that several shells may write at once."""

from __future__ import annotations

import fcntl
import os
import time

from prompt_toolkit.history import History

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 4 << 20
"""Bytes that are read, the newest. When the file has twice as many, they alone are kept."""


class LineHistory(History):
    """The format is that of prompt_toolkit's `FileHistory`: lines that begin with `+`, between
    comments. An entry is written with one call under a lock, so that two shells do not mix
    theirs. A line that begins with a blank is not kept: for what nobody else is to read.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def append_string(self, string: str) -> None:
        if not string[:1].isspace() and string.strip():
            super().append_string(string)

    def load_history_strings(self) -> Iterable[str]:
        """The newest first."""
        try:
            with open(self._path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - LONGEST))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ()
        entries: list[list[str]] = [[]]
        for line in text.split("\n"):
            if line.startswith("+"):
                entries[-1].append(line[1:])
            elif entries[-1]:
                entries.append([])
        return reversed(["\n".join(lines) for lines in entries if lines])

    def store_string(self, string: str) -> None:
        lines = "".join(f"+{line}\n" for line in string.split("\n"))
        entry = f"\n# {time.strftime('%Y-%m-%d %H:%M:%S')}\n{lines}".encode("utf-8", "replace")
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size > 2 * LONGEST:
                kept = os.pread(descriptor, LONGEST, size - LONGEST)
                entry = kept[kept.find(b"\n# ") :] + entry
                os.ftruncate(descriptor, 0)
            os.write(descriptor, entry)
        finally:
            os.close(descriptor)
