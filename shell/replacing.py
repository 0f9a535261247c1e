"""A file that is replaced as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile

from .errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

NEW_FILE = 0o666


class Replacement:
    """What is written goes to a temporary file beside the old one, which takes its place with
    `commit`; without it, the old one stays. A link is followed, a device or a pipe is written to
    directly, and the mode of the old file is kept. Raises UsageError where nothing can be written.
    """

    def __init__(self, path: str, *, appends: bool = False) -> None:
        self.path = path
        self._target = os.path.realpath(path)
        self._beside: str | None = None
        try:
            if os.path.isdir(self._target):
                raise IsADirectoryError(21, "it is a folder")
            self._file = self._open(appends)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from None

    def _open(self, appends: bool) -> int:
        exists = os.path.exists(self._target)
        if exists and not os.path.isfile(self._target):
            return os.open(self._target, os.O_WRONLY)
        if exists and not os.access(self._target, os.W_OK):
            raise PermissionError(13, "permission denied")
        folder, name = os.path.split(self._target)
        descriptor, self._beside = tempfile.mkstemp(".tmp", f".{name}.", folder)
        os.fchmod(descriptor, os.stat(self._target).st_mode & 0o7777 if exists else _new_mode())
        if appends and exists:
            with open(self._target, "rb") as old:
                while chunk := old.read(1 << 20):
                    os.write(descriptor, chunk)
        return descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, text: str) -> None:
        data = memoryview(text.encode("utf-8", "replace"))
        while data:
            data = data[os.write(self._file, data) :]

    def commit(self) -> None:
        """Takes the place of the old one, and is closed."""
        if self._beside is not None:
            os.fsync(self._file)
            os.replace(self._beside, self._target)
            self._beside = None

    def close(self) -> None:
        """Without a commit nothing has happened."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._beside is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._beside)
            self._beside = None


def _new_mode() -> int:
    """Of a new file, as the user wants it."""
    umask = os.umask(0)
    os.umask(umask)
    return NEW_FILE & ~umask
