"""The files of a process, for a plugin: in the process's folder, out of which no path leads."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .beneath import Beneath
from .errno import EFBIG, EILSEQ, EINVAL, EISDIR, EPERM

MAX_READ = 32 << 20
"""Largest file that is read at once, in bytes."""


@contextmanager
def regular(root: Beneath, path: str) -> Iterator[BinaryIO]:
    """A file to be read. Raises EINVAL for what is none, EISDIR."""
    with root.open(path) as fd:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise EISDIR(f"{path} is a folder")
        if not stat.S_ISREG(mode):
            raise EINVAL(f"{path} is not a regular file")
        with open(fd, "rb", closefd=False) as file:
            yield file


class Files:
    """Of one call; `needs` are the capabilities that its syscall has declared, None for a function
    that is called by itself and may do all. Paths are relative to the folder. Errors are those of
    `errno`."""

    def __init__(self, root: Path, needs: Sequence[str] | None) -> None:
        self._root = root
        self._needs = needs

    def read(self, path: str) -> str:
        """A text file. Raises EILSEQ for one that is not UTF-8."""
        try:
            return self.read_bytes(path).decode()
        except UnicodeDecodeError:
            raise EILSEQ(f"{path} is not a text file: it is not UTF-8") from None

    def read_bytes(self, path: str) -> bytes:
        self._check("fs.read")
        with Beneath(self._root) as root, regular(root, path) as file:
            data = file.read(MAX_READ + 1)
        if len(data) > MAX_READ:
            raise EFBIG(f"{path} has more than the {MAX_READ} bytes that can be read at once")
        return data

    def write(self, path: str, text: str | bytes) -> None:
        """Replace what a file holds, whole or not at all."""
        self._check("fs.write")
        with Beneath(self._root) as root:
            root.replace(path, text.encode() if isinstance(text, str) else text)

    def names(self, path: str = ".") -> list[str]:
        """What a folder holds; the names of folders end in a slash."""
        self._check("fs.read")
        with Beneath(self._root) as root:
            return root.names(path)

    def _check(self, capability: str) -> None:
        if self._needs is None or any(
            one == capability or one.startswith(f"{capability}:") for one in self._needs
        ):
            return
        raise EPERM(
            f"the syscall has not declared {capability}", hint=f'@syscall(needs="{capability}")'
        )
