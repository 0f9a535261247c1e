"""One box: the processes that make it, in the order in which they are forked.

the worker   reads what comes out, and may stop waiting at any time
└ outer      begins namespaces; with none, it is the supervisor
  └ first    of the new pid namespace: moves into the new root, is the supervisor
    └ inner  gives everything up for good, and becomes the program
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from . import landlock, linux, namespaces, seccomp
from .supervisor import supervise

GRACE_S = 5.0
"""For making the box and for ending it."""

MAX_FILE = 256 << 20
TMP_BYTES = 64 << 20
MAX_OPEN_FILES = 256
SPARE_MEMORY = 256 << 20
"""Of address space, which is never all used."""
_DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
_AMOUNTS = ("/proc/self/cgroup", "/sys/fs/cgroup")  # where libraries look how much there is
_ETC = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")


class BoxError(Exception):
    """The box cannot be made; nothing has run."""


@dataclass(frozen=True, slots=True)
class Box:
    """Everything that is chosen. `system` are the folders that can be read beside the folder."""

    namespaces: bool
    folder: str
    writable: bool
    system: tuple[str, ...]
    tmp: str
    files: Mapping[str, bytes]
    timeout_s: float
    memory_bytes: int
    max_processes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has run: exit status (below 0: the signal that ended it), standard output and
    error as they came, how many bytes of it are missing, and why it was `stopped`, if it was."""

    status: int
    output: bytes
    missing: int
    stopped: str
    namespaces: bool


def run_in(box: Box, work: Callable[[str], None]) -> Ended:
    """Do `work` in the box; it gets the folder for temporary files. Raises BoxError."""
    output, output_in = os.pipe()
    told, told_in = os.pipe()
    alive_out, alive = os.pipe()
    outer = os.fork()
    if not outer:
        _guarded(told_in, lambda: _outer(box, work, output_in, told_in, alive_out))
    for fd in (output_in, told_in, alive_out):
        os.close(fd)
    try:
        kept = _Kept(box.output_bytes)
        words = _read(output, told, kept, box.timeout_s + 2 * GRACE_S)
    finally:
        for fd in (output, told, alive):
            os.close(fd)
        if box.namespaces:
            with suppress(ProcessLookupError):
                os.kill(outer, signal.SIGKILL)
        os.waitpid(outer, 0)
    told_ = [json.loads(line) for line in words.splitlines()]
    for one in told_:
        if error := one.get("error"):
            raise BoxError(error)
    if not told_:
        raise BoxError("its supervisor ended without a word")
    ending = told_[-1]
    return Ended(ending["status"], kept.text(), kept.missing, ending["stopped"], box.namespaces)


# ---- the worker's side --------------------------------------------------------------------


class _Kept:
    """The beginning and the end of an output of any length."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._head = bytearray()
        self._tail = bytearray()
        self._seen = 0

    def add(self, data: bytes) -> None:
        self._seen += len(data)
        room = self._most // 2 - len(self._head)
        self._head += data[:room] if room > 0 else b""
        self._tail = (self._tail + data[max(room, 0) :])[-(self._most // 2) :]

    @property
    def missing(self) -> int:
        return self._seen - len(self._head) - len(self._tail)

    def text(self) -> bytes:
        gap = f"\n[{self.missing} bytes are left out here]\n".encode() if self.missing else b""
        return bytes(self._head) + gap + bytes(self._tail)


def _read(output: int, told: int, kept: _Kept, timeout_s: float) -> bytes:
    """Until the supervisor has hung up, or is past all waiting for."""
    deadline = time.monotonic() + timeout_s
    words = bytearray()
    fds = {output, told}
    while told in fds and (left := deadline - time.monotonic()) > 0:
        for fd in select.select(fds, [], [], left)[0]:
            data = os.read(fd, 1 << 16)
            if not data:
                fds.remove(fd)
            elif fd == output:
                kept.add(data)
            else:
                words += data
    while output in fds and select.select([output], [], [], 0)[0]:
        data = os.read(output, 1 << 16)
        if not data:
            break
        kept.add(data)
    return bytes(words)


# ---- inside -------------------------------------------------------------------------------


def _guarded(told: int, work: Callable[[], None]) -> NoReturn:
    """A forked copy must never return into the worker's code."""
    try:
        work()
        os._exit(0)
    except BaseException as error:
        with suppress(OSError):
            words = error.strerror or str(error) if isinstance(error, OSError) else repr(error)
            os.write(told, json.dumps({"error": words}).encode() + b"\n")
    finally:
        os._exit(125)


def _outer(box: Box, work: Callable[[str], None], output: int, told: int, alive: int) -> None:
    _close_all_but(output, told, alive)
    if not box.namespaces:
        # When the worker is killed, this process must live to end the others: it has no part in
        # the worker's group, and sees that nobody waits any more.
        os.setpgid(0, 0)
        linux.inherit_orphans()
        _supervise(box, work, output, told, alive)
        return
    linux.die_with_parent(signal.SIGKILL)
    namespaces.leave(os.geteuid(), os.getegid())
    first = os.fork()
    if not first:
        _guarded(told, lambda: _first(box, work, output, told, alive))
    _close_all_but()
    os.waitpid(first, 0)


def _first(box: Box, work: Callable[[str], None], output: int, told: int, alive: int) -> None:
    linux.die_with_parent(signal.SIGKILL)
    namespaces.furnish(box.folder, writable=box.writable, system=box.system, tmp_bytes=TMP_BYTES)
    _supervise(box, work, output, told, alive)


def _supervise(box: Box, work: Callable[[str], None], output: int, told: int, alive: int) -> None:
    for name, data in box.files.items():
        Path(box.tmp, name).write_bytes(data)
    inner = os.fork()
    if not inner:
        _guarded(told, lambda: _inner(box, work, output, told))
    os.close(output)
    ending = supervise(
        inner,
        alive=alive,
        timeout_s=box.timeout_s,
        memory_bytes=box.memory_bytes,
        max_processes=box.max_processes,
    )
    words = {"status": ending.status, "stopped": ending.stopped}
    os.write(told, json.dumps(words).encode() + b"\n")


def _inner(box: Box, work: Callable[[str], None], output: int, told: int) -> None:
    linux.die_with_parent(signal.SIGKILL)
    os.setsid()  # no terminal, and a group of its own, which without namespaces nobody can leave
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    _close_all_but(told)
    os.set_inheritable(told, False)
    os.chdir(box.folder)
    for signals in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
        signal.signal(signals, signal.SIG_DFL)
    _limit(box)
    reads, writes = _files(box)
    linux.drop_capabilities()
    landlock.restrict(reads, writes)
    seccomp.restrict(namespaces=box.namespaces)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    work(box.tmp)
    sys.stdout.flush()


def _files(box: Box) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What can be read, and what can be written."""
    folder = (box.folder,) if box.writable else ()
    if not box.system:
        return (box.folder, *_AMOUNTS), ()
    if box.namespaces:
        return ("/",), (*folder, "/tmp", "/dev")
    return (box.folder, *box.system, *_ETC), (*folder, box.tmp, *_DEVICES)


def _limit(box: Box) -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(box.timeout_s) * (os.cpu_count() or 1) + 1,
        # A copy of the worker begins with all that the worker had.
        resource.RLIMIT_AS: _address_space() + box.memory_bytes + SPARE_MEMORY,
        resource.RLIMIT_FSIZE: MAX_FILE,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_MEMLOCK: 0,
    }
    if box.namespaces:  # where it counts the processes of the namespace alone
        limits[resource.RLIMIT_NPROC] = box.max_processes
    for which, most in limits.items():
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


def _address_space() -> int:
    """Of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _close_all_but(*kept: int) -> None:
    low = 3
    for fd in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(low, fd)
        low = fd + 1
