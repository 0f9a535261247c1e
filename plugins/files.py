"""Files, in the one folder that a process may see."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import Field

from ..syscalls import Context, SyscallError, syscall
from ..syscalls.beneath import Beneath
from ..syscalls.errno import EAGAIN, EFBIG, EILSEQ, EINVAL, ENOENT
from ..syscalls.files import regular
from .undo import MAX_OLD, Undo, digest

MAX_SIZE = 1 << 20
"""Largest file that is read, or searched as one of a folder, in bytes."""

MAX_NAMED_SIZE = 32 << 20
"""Largest file that is searched when it is named itself."""

MAX_LINES = 200
MAX_LINE = 300
MAX_LONG_LINE = 2000
MAX_COMPARED = 2000

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1, le=2000)]


PROC = re.compile(r"/+(\./+)*proc(/|$)")
"""The kernel's own files, whatever the process's folder is."""


@syscall(needs=("fs.read", "proc.read"), effect="pure")
def list_files(ctx: Context, path: str = ".") -> str:
    """List the files in a folder.

    The names of folders end in a slash. Names that begin with a dot are left out, as `ls` does;
    they can be read all the same.
    """
    if PROC.match(path):
        return "\n".join(ctx.list_proc(path))
    with Beneath(ctx.root) as root:
        names = [name for name in root.names(path) if not name.startswith(".")]
    return "\n".join(names) or "(empty)"


@syscall(needs=("fs.read", "proc.read"), effect="pure")
def read_file(ctx: Context, path: str) -> str:
    """Read a text file."""
    if PROC.match(path):
        return ctx.read_proc(path)
    with Beneath(ctx.root) as root:
        return _whole(root, path)


@syscall(needs="fs.read", effect="pure", listed=False)
def read_lines(ctx: Context, path: str, start: Positive = 1, count: Count = 200) -> str:
    """Read lines of a text file, of any size, each with its number.

    Args:
        path: The file.
        start: The first line to read; lines are counted from 1.
        count: How many lines to read.
    """
    lines, last = [], start + count - 1
    with Beneath(ctx.root) as root, regular(root, path) as file:
        for number, line in enumerate(file, 1):
            if start <= number <= last:
                text = _decoded(path, line.rstrip(b"\r\n"))
                cut = "…" if len(text) > MAX_LONG_LINE else ""
                lines.append(f"{number}: {text[:MAX_LONG_LINE]}{cut}")
            elif number > last:
                lines.append(f"(there are more: start={number} goes on)")
                break
    if not lines and start == 1:
        return "(empty)"
    if not lines:
        raise EINVAL(f"{path} has no line {start}", hint="start=1 is its beginning")
    return "\n".join(lines)


@syscall(needs="fs.write", effect="idempotent")
def write_file(ctx: Context, path: str, text: str) -> str:
    """Write text to a file; what it held is replaced."""
    data = text.encode()
    with Beneath(ctx.root) as root, Undo(ctx).keeping(path, _old(root, path), data):
        root.replace(path, data)
    return f"wrote {len(data)} bytes to {path}"


@syscall(needs="fs.write", listed=False)
def append_file(ctx: Context, path: str, text: str) -> str:
    """Write text at the end of a file, which is made if it is not there."""
    data = text.encode()
    with Beneath(ctx.root) as root:
        old = _old(root, path)
        with Undo(ctx).keeping(path, old, (old or b"") + data):
            root.append(path, data)
    return f"wrote {len(data)} bytes at the end of {path}"


@syscall(needs="fs.write", listed=False)
def edit_file(ctx: Context, path: str, old: str, new: str, all: bool = False) -> str:
    """Replace a text in a file by another, and get the difference.

    The text must stand there exactly as it is given, blanks and line ends included, and once,
    unless all of them are to be replaced.

    Args:
        path: The file.
        old: The text that goes, enough of it to be found only once.
        new: The text that comes in its place.
        all: Replace it wherever it stands.
    """
    with Beneath(ctx.root) as root:
        before = _whole(root, path)
        times = before.count(old) if old else 0
        if not times:
            raise ENOENT(f"{path} does not hold that text", hint=_nearest(before, old))
        if times > 1 and not all:
            raise EINVAL(
                f"that text stands in {path} {times} times",
                hint="give more of the lines around it, or all=true",
            )
        after = before.replace(old, new)
        with Undo(ctx).keeping(path, before.encode(), after.encode()):
            root.replace(path, after.encode())
    return _difference(path, before, after)


@syscall(needs="fs.write", listed=False)
def undo_write(ctx: Context) -> str:
    """Take back the last change that this process made to a file, and get the difference.

    Called again it takes back the one before. A file that something else has changed since is
    left alone.
    """
    undo = Undo(ctx)
    with Beneath(ctx.root) as root:
        for write in undo.writes():
            now = _old(root, write.path)
            if digest(now or b"") == write.before and (now is not None) == write.existed:
                undo.forget(write.number)  # it never happened, or was taken back otherwise
                continue
            if not write.kept:
                raise EFBIG(f"{write.path} was too large for its old text to be kept")
            if now is None or digest(now) != write.after:
                raise EAGAIN(
                    f"{write.path} has changed since it was written by this process",
                    hint="read it, and edit it instead",
                )
            old = undo.old(write)
            if write.existed:
                root.replace(write.path, old)
            else:
                root.remove(write.path)
            undo.forget(write.number)
            done = f"{write.path} is as it was" if write.existed else f"removed {write.path}"
            return f"{done}\n{_difference(write.path, _text(now) or '', _text(old) or '')}"
    raise ENOENT("there is nothing to take back")


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


@syscall(needs="fs.read", effect="pure", listed=False)
def find_files(ctx: Context, pattern: str, path: str = ".") -> str:
    """Find files by a pattern of their names, in a folder and all folders in it.

    `*.py` is every file of such a name, however deep; with a slash the whole path is meant, as in
    `src/*.py`, and `**` stands for any folders. Folders whose name begins with a dot are left out.
    """
    matches = _glob(pattern)
    found: list[str] = []
    with Beneath(ctx.root) as root:
        for name, _ in root.files(path):
            if matches(name):
                found.append(name)
            if len(found) > MAX_LINES:
                found[MAX_LINES:] = [f"(more files match; these are the first {MAX_LINES})"]
                break
    return "\n".join(found) or "no matches"


@syscall(needs="fs.read", effect="pure", listed=False)
def grep_files(
    ctx: Context,
    pattern: str,
    path: str = ".",
    files: str = "*",
    ignore_case: bool = False,
    context: Annotated[int, Field(ge=0, le=10)] = 0,
) -> str:
    """Find the lines that match a regular expression, in the files of a folder.

    Args:
        pattern: A regular expression as Python has them, as in `def \\w+\\(`.
        path: The folder, or one file.
        files: Which files, as in `*.py`.
        ignore_case: Are upper and lower case the same?
        context: How many lines to show before and after each one.
    """
    try:
        expression = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise EINVAL(f"pattern: not a regular expression: {error}") from None
    matches = _glob(files)
    found: list[str] = []
    with Beneath(ctx.root) as root:
        for name, text in _texts(root, path):
            if matches(name):
                found += _grep(name, text.splitlines(), expression, context)
            if len(found) > MAX_LINES:
                found[MAX_LINES:] = [f"(more lines match; these are the first {MAX_LINES})"]
                break
    return "\n".join(found) or "no matches"


def _search(root: Beneath, pattern: str, path: str) -> Iterator[str]:
    for name, text in _texts(root, path):
        if pattern not in text.casefold():
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern in line.casefold():
                yield f"{name}:{number}: {line.strip()[:MAX_LINE]}"


def _grep(name: str, lines: list[str], expression: re.Pattern[str], context: int) -> Iterator[str]:
    """`name:12: text` for a line that matches, `name-13- text` for one beside it."""
    hits = [number for number, line in enumerate(lines, 1) if expression.search(line)]
    matching = set(hits)
    shown = 0
    for hit in hits:
        for number in range(max(hit - context, shown + 1), min(hit + context, len(lines)) + 1):
            mark = ":" if number in matching else "-"
            text = lines[number - 1][:MAX_LINE]
            yield f"{name}{mark}{number}{mark} {text if context else text.strip()}"
            shown = number


def _glob(pattern: str) -> Callable[[str], object]:
    """Matches paths. Without a slash the pattern is of names."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]/]+\])", pattern.removeprefix("./"))
    ways = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    text = ""
    for part in parts:
        if part.startswith("[") and part.endswith("]"):
            inner = part[1:-1].replace("\\", "\\\\")
            text += f"[^{inner[1:]}]" if inner[0] == "!" else f"[{inner}]"
        else:
            text += ways.get(part) or re.escape(part)
    try:
        expression = re.compile(text if "/" in pattern else f"(?:.*/)?{text}", re.DOTALL)
    except re.error:
        raise EINVAL(f"not a pattern of names: {pattern}") from None
    return lambda name: expression.fullmatch(name.removeprefix("./"))


# ---- reading ------------------------------------------------------------------------------


def _texts(root: Beneath, path: str) -> Iterator[tuple[str, str]]:
    """Of the text files in a folder, or of one that is named, which may be larger."""
    for name, fd in root.files(path):
        limit = MAX_NAMED_SIZE if name == path else MAX_SIZE
        if os.fstat(fd).st_size > limit:
            continue
        text = _text(_read(fd, limit))
        if text is not None:
            yield name, text


def _whole(root: Beneath, path: str) -> str:
    with regular(root, path) as file:
        data = file.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise EFBIG(
                f"{path} has {os.fstat(file.fileno()).st_size} bytes, more than the {MAX_SIZE}"
                " that can be read at once",
                hint="search_files finds lines in it",
            )
    return _decoded(path, data)


def _decoded(path: str, data: bytes) -> str:
    text = _text(data)
    if text is None:
        raise EILSEQ(f"{path} is not a text file: it is not UTF-8")
    return text


def _old(root: Beneath, path: str) -> bytes | None:
    """What is there before a write; a little more than can be kept is enough of it."""
    try:
        with regular(root, path) as file:
            return file.read(MAX_OLD + 1)
    except SyscallError:  # the write itself says what is wrong
        return None


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


# ---- what has changed ---------------------------------------------------------------------


def _difference(path: str, before: str, after: str) -> str:
    lines = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), path, path, n=2, lineterm="")
    )
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"({len(lines) - MAX_LINES} more lines)"]
    return "\n".join(lines) or "(no line differs)"


def _nearest(text: str, wanted: str) -> str:
    """A hint at the line that is most like the first one of `wanted`."""
    first = next((line.strip() for line in wanted.splitlines() if line.strip()), "")
    lines = {line.strip(): number for number, line in enumerate(text.splitlines(), 1)}
    near = difflib.get_close_matches(first, list(lines)[:MAX_COMPARED], n=1)
    if not near:
        return "read_file or read_lines shows what it holds"
    return f"line {lines[near[0]]} is like it: {near[0][:MAX_LINE]}"
