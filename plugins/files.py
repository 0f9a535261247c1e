"""Files, in the one folder that a process may see."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from ..syscalls import Context, syscall
from ..syscalls.beneath import Beneath
from ..syscalls.errno import EFBIG, EILSEQ, EINVAL, EISDIR

MAX_SIZE = 1 << 20
"""Largest file that is read, or searched as one of a folder, in bytes."""

MAX_NAMED_SIZE = 32 << 20
"""Largest file that is searched when it is named itself."""

MAX_LINES = 200
MAX_LINE = 300


@syscall(needs="fs.read", effect="pure")
def list_files(ctx: Context, path: str = ".") -> str:
    """List the files in a folder.

    The names of folders end in a slash. Names that begin with a dot are left out, as `ls` does;
    they can be read all the same.
    """
    with Beneath(ctx.root) as root:
        names = [name for name in root.names(path) if not name.startswith(".")]
    return "\n".join(names) or "(empty)"


@syscall(needs="fs.read", effect="pure")
def read_file(ctx: Context, path: str) -> str:
    """Read a text file."""
    with Beneath(ctx.root) as root, root.open(path) as fd:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise EISDIR(f"{path} is a folder")
        if not stat.S_ISREG(mode):
            raise EINVAL(f"{path} is not a regular file")
        data = _read(fd, MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise EFBIG(
                f"{path} has {os.fstat(fd).st_size} bytes, more than the {MAX_SIZE} that can be"
                " read at once",
                hint="search_files finds lines in it",
            )
    text = _text(data)
    if text is None:
        raise EILSEQ(f"{path} is not a text file: it is not UTF-8")
    return text


@syscall(needs="fs.write", effect="idempotent")
def write_file(ctx: Context, path: str, text: str) -> str:
    """Write text to a file; what it held is replaced."""
    data = text.encode()
    with Beneath(ctx.root) as root:
        root.replace(path, data)
    return f"wrote {len(data)} bytes to {path}"


@syscall(needs="fs.read", effect="pure")
def search_files(ctx: Context, pattern: str, path: str = ".") -> str:
    """Find the lines that contain a text, in the files of a folder.

    Upper and lower case are the same. Files that are not text, links, folders whose name begins
    with a dot, and files above 1 MiB that are not named themselves are left out.
    """
    if not pattern:
        raise EINVAL("pattern: expected some text, got an empty one")
    found: list[str] = []
    with Beneath(ctx.root) as root:
        for hit in _search(root, pattern.casefold(), path):
            if len(found) == MAX_LINES:
                found.append(f"(more lines match; these are the first {MAX_LINES})")
                break
            found.append(hit)
    return "\n".join(found) or "no matches"


def _search(root: Beneath, pattern: str, path: str) -> Iterator[str]:
    for name, fd in root.files(path):
        limit = MAX_NAMED_SIZE if name == path else MAX_SIZE
        if os.fstat(fd).st_size > limit:
            continue
        text = _text(_read(fd, limit))
        if text is None or pattern not in text.casefold():
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern in line.casefold():
                yield f"{name}:{number}: {line.strip()[:MAX_LINE]}"


def _read(fd: int, size: int) -> bytes:
    with open(fd, "rb", closefd=False) as file:
        return file.read(size)


def _text(data: bytes) -> str | None:
    """None if it is binary: not UTF-8, or with a NUL in it."""
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
