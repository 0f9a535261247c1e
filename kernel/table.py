"""The process table: pids, the tree, orphans, reaping."""

from __future__ import annotations

from collections.abc import Iterator

from ..syscalls.errno import ESRCH
from .process import INIT_PID, Process


class ProcessTable:
    """All processes that are not reaped. Pids are never used twice."""

    def __init__(self, next_pid: int = INIT_PID) -> None:
        self._processes: dict[int, Process] = {}
        self._next_pid = next_pid

    def __iter__(self) -> Iterator[Process]:
        return iter(sorted(self._processes.values(), key=lambda process: process.pid))

    def __len__(self) -> int:
        return len(self._processes)

    def __contains__(self, pid: int) -> bool:
        return pid in self._processes

    def new_pid(self) -> int:
        pid = self._next_pid
        self._next_pid += 1
        return pid

    def add(self, process: Process) -> None:
        assert process.pid not in self._processes, "a pid is used once"
        self._processes[process.pid] = process
        self._next_pid = max(self._next_pid, process.pid + 1)

    def find(self, pid: int) -> Process:
        """The process of a pid. Raises ESRCH."""
        process = self._processes.get(pid)
        if process is None:
            raise ESRCH(f"no process {pid}")
        return process

    def children(self, pid: int) -> list[Process]:
        return [process for process in self if process.parent == pid]

    def ancestors(self, pid: int) -> Iterator[int]:
        """The pids above a process, its parent first."""
        process = self._processes.get(pid)
        while process is not None and process.parent:
            yield process.parent
            process = self._processes.get(process.parent)

    def num_alive(self) -> int:
        return sum(process.alive for process in self._processes.values())

    def remove(self, pid: int) -> None:
        del self._processes[pid]
