"""What the file syscalls of a process have written, so that it can be taken back.

The old texts are in a folder for temporary files that only the user may enter, and not beside the
files: an undo is a convenience of the session, and no file of a project.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..syscalls import Context

MAX_WRITES = 20
"""The last ones of a process that are kept."""

MAX_OLD = 1 << 20
"""Bytes of an old text that is kept."""


@dataclass(frozen=True, slots=True)
class Write:
    """One that happened. `existed` and `kept`: was there a file, and is its old text here?"""

    number: int
    call_id: str
    path: str
    existed: bool
    kept: bool
    before: str
    after: str


class Undo:
    """Of one process in one folder. Without a place to keep things, nothing can be undone."""

    def __init__(self, ctx: Context) -> None:
        self._call_id = ctx.call_id
        root = hashlib.sha256(os.fsencode(os.path.realpath(ctx.root))).hexdigest()
        self._folder = _private() / f"{ctx.pid}-{root[:16]}"

    @contextmanager
    def keeping(self, path: str, old: bytes | None, new: bytes) -> Iterator[None]:
        """Keep the old text while the new one is written; None: there was no file."""
        number = self._keep(path, old, new)
        try:
            yield
        except BaseException:
            if number is not None:
                self.forget(number)
            raise

    def writes(self) -> list[Write]:
        """The newest first."""
        found = []
        with suppress(OSError):
            for path in self._folder.glob("*.json"):
                with suppress(OSError, ValueError, TypeError):
                    found.append(Write(**json.loads(path.read_text())))
        return sorted(found, key=lambda write: -write.number)

    def old(self, write: Write) -> bytes:
        return (self._folder / f"{write.number}.old").read_bytes() if write.existed else b""

    def forget(self, number: int) -> None:
        for end in ("json", "old"):
            (self._folder / f"{number}.{end}").unlink(missing_ok=True)

    def _keep(self, path: str, old: bytes | None, new: bytes) -> int | None:
        writes = self.writes()
        this = (self._call_id, path, digest(new))
        if writes and (writes[0].call_id, writes[0].path, writes[0].after) == this:
            return None  # made again after a crash: the text before it is kept already
        number = writes[0].number + 1 if writes else 1
        kept = max(len(old or b""), len(new)) <= MAX_OLD
        write = Write(
            number, self._call_id, path, old is not None, kept, digest(old or b""), digest(new)
        )
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if old is not None and kept:
                (self._folder / f"{number}.old").write_bytes(old)
            (self._folder / f"{number}.json").write_text(json.dumps(asdict(write)))
        except OSError:  # a full disk: writing goes first
            self.forget(number)
            return None
        for older in writes[MAX_WRITES - 1 :]:
            self.forget(older.number)
        return number


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _private() -> Path:
    """A folder that is ours alone. One that somebody else has put there is not used."""
    folder = Path(tempfile.gettempdir(), f"llmos-undo-{os.geteuid()}")
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if ours and not found.st_mode & 0o077:
            return folder
    return Path("/nonexistent")
