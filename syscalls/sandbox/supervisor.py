"""The supervisor: the parent of what runs in a sandbox, which bounds and then ends all of it.

A program's own limits (`resource`) hold for each of its processes alone. What they take together is
looked at here, many times a second.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

LOOK_EVERY_S = 0.02
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Ending:
    """How the program ended: its exit status, or why it was `stopped`."""

    status: int
    stopped: str = ""


def supervise(
    program: int, *, alive: int, timeout_s: float, memory_bytes: int, max_processes: int
) -> Ending:
    """Wait for a child of this process, and end all that is below it. `alive` is a pipe whose
    other end is closed when nobody waits for the result any more."""
    deadline = time.monotonic() + timeout_s
    ended = os.pidfd_open(program)
    inherited = _Memory.of(os.getpid())
    ending = None
    while ending is None:
        gone, status = os.waitpid(-1, os.WNOHANG)
        if gone == program:
            ending = Ending(os.waitstatus_to_exitcode(status))
        elif gone:
            continue
        elif time.monotonic() > deadline:
            ending = Ending(-signal.SIGKILL, f"it ran longer than {timeout_s:g} s")
        else:
            below = _below(os.getpid())
            memory = sum(one.beyond(inherited) for one in below.values())
            if len(below) > max_processes:
                ending = Ending(-signal.SIGKILL, f"it had more than {max_processes} processes")
            elif memory > memory_bytes:
                ending = Ending(
                    -signal.SIGKILL, f"it took more than {memory_bytes >> 20} MiB of memory"
                )
            elif alive in select.select([alive, ended], [], [], LOOK_EVERY_S)[0]:
                ending = Ending(-signal.SIGKILL, "nobody waits for it")
    _end_all(program)
    return ending


def _end_all(group: int) -> None:
    """At once, by their group: one by one they would be faster, if they all fork. What has left
    the group, which takes a pid namespace, comes to this process, and is next."""
    while True:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        for pid in _below(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.001)
        except ChildProcessError:
            return


@dataclass(frozen=True, slots=True)
class _Memory:
    """What a process has in memory. Where its stack begins tells copies of a process, which share
    what it had, from a program that was executed and has its own."""

    parent: int
    size: int
    stack: int

    @classmethod
    def of(cls, pid: int) -> _Memory:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return cls(int(fields[1]), int(fields[21]) * _PAGE, int(fields[25]))

    def beyond(self, inherited: _Memory) -> int:
        """Bytes, without what a copy had from the beginning."""
        is_copy = self.stack == inherited.stack != 0
        return max(0, self.size - inherited.size) if is_copy else self.size


def _below(top: int) -> dict[int, _Memory]:
    """Everything below a process."""
    known: dict[int, _Memory] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError, IndexError, ValueError):
                known[int(name)] = _Memory.of(int(name))
    found: dict[int, _Memory] = {}
    front = {top}
    while front:
        front = {pid for pid, one in known.items() if one.parent in front}
        found |= {pid: known[pid] for pid in front}
    return found
