"""The machine: memory, shared memory, disk, clock, and the terminal."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from ..output import columns_of, shows_colour
from ..verbs.memory import size_text
from .finding import failure, ok, warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..paths import Paths
    from .finding import Finding

GIB = 1 << 30
LEAST_MEMORY = 5 * GIB // 2
"""Kernel and engine were seen to take 2.1 GB with the pilot, on a CPU."""
LEAST_SHARED = 128 << 20
"""Containers have 64 MiB unless told otherwise, too little for an engine of several processes."""
LITTLE_DISK, TOO_LITTLE_DISK = GIB, 100 << 20
NARROWEST = 60
FIRST_YEAR = 2025
SKEW_S = 60.0


def memory(paths: Paths) -> Iterator[Finding]:
    """What is free of it, by the system and by the group of processes that this one is in."""
    amounts = _meminfo()
    if not amounts:
        yield warning("/proc/meminfo does not say how much there is", "look by hand")
        return
    total, free = amounts["MemTotal"], amounts["MemAvailable"]
    bound = _bound_of_group()
    if bound is not None and bound < total:
        total, free = bound, min(free, bound)
    swap = amounts.get("SwapTotal", 0)
    beside = f", swap {size_text(swap)}" if swap else ", no swap"
    words = f"{size_text(free)} of {size_text(total)} are free{beside}"
    if free < LEAST_MEMORY:
        yield warning(words, "end something: kernel and engine take 2 GB with the smallest model")
    else:
        yield ok(words)


def _meminfo() -> dict[str, int]:
    """Bytes, by the names that Linux has for them."""
    found = {}
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    for line in lines:
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) * 1024
    return found


def _bound_of_group() -> int | None:
    """A container's, in bytes."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return int(Path("/sys/fs/cgroup", name).read_text())
        except (OSError, ValueError):
            continue
    return None


def shared_memory(paths: Paths) -> Iterator[Finding]:
    """The processes of an engine hand tensors to each other there."""
    if not os.access("/dev/shm", os.W_OK):
        yield failure("/dev/shm cannot be written to", "mount a tmpfs there")
        return
    free = _free("/dev/shm")
    words = f"{size_text(free)} are free in /dev/shm"
    if free < LEAST_SHARED:
        yield warning(words, "in a container: docker run --shm-size=2g")
    else:
        yield ok(words)


def disk(paths: Paths) -> Iterator[Finding]:
    """Where the journal grows."""
    folder = _nearest(paths.state_dir)
    if not os.access(folder, os.W_OK):
        yield failure(f"{folder} cannot be written to", "set LLMOS_STATE_DIR to another folder")
        return
    free = _free(folder)
    words = f"{size_text(free)} are free for {paths.state_dir}"
    if free < TOO_LITTLE_DISK:
        yield failure(words, "make room, or set LLMOS_STATE_DIR to a folder on another disk")
    elif free < LITTLE_DISK:
        yield warning(words, "make room before the journal fills it")
    else:
        yield ok(words)
    if os.path.isdir(paths.state_dir) and os.stat(paths.state_dir).st_mode & 0o077:
        yield warning(f"{paths.state_dir} can be read by others", f"chmod 700 {paths.state_dir}")


def _nearest(folder: str) -> str:
    """The folder, or the nearest above it that is there."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _free(folder: str) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def clock(paths: Paths) -> Iterator[Finding]:
    """Alarms and dates of pages go by it."""
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now))
    newest = max(
        (_written(path) for path in (paths.log, f"{paths.state_dir}/llmos.db")), default=0.0
    )
    if time.localtime(now).tm_year < FIRST_YEAR:
        yield failure(f"it says {shown}", "set it, or let it be set over the network")
    elif newest > now + SKEW_S:
        yield warning(
            f"it says {shown}, and the journal was written after that",
            "set it: alarms that were due seem to lie ahead",
        )
    else:
        yield ok(shown)


def _written(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def terminal(paths: Paths) -> Iterator[Finding]:
    """What the interactive shell would have to do with."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        yield warning(f"text goes out as {sys.stdout.encoding}", "export LANG=C.UTF-8")
    if not sys.stdout.isatty():
        yield ok("stdout is no terminal")
        return
    width = columns_of(sys.stdout)
    kind = os.environ.get("TERM", "")
    colours = "colours" if shows_colour(sys.stdout) else "no colours"
    words = f"{kind or 'no TERM'}, {width} columns, {colours}"
    if kind in ("", "dumb"):
        yield warning(words, "export TERM=xterm-256color, if it is one")
    elif width < NARROWEST:
        yield warning(words, f"{NARROWEST} columns or more: tables are cut off at the edge")
    else:
        yield ok(words)
