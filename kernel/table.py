"""The process table: pids, the tree, groups, orphans, reaping.

Every question that is asked on a hot path is answered from an index, in constant time or in the
size of the answer, whatever the number of processes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from ..syscalls.errno import ESRCH
from .process import INIT_PID, Process


class ProcessTable:
    """All processes that are not reaped. Pids are never used twice, and grow."""

    def __init__(self, next_pid: int = INIT_PID) -> None:
        self._processes: dict[int, Process] = {}  # in the order of their pids
        self._children: defaultdict[int, dict[int, Process]] = defaultdict(dict)
        self._zombies: defaultdict[int, dict[int, Process]] = defaultdict(dict)  # by parent
        self._groups: defaultdict[int, dict[int, Process]] = defaultdict(dict)
        self._sessions: Counter[int] = Counter()  # how many of them are alive
        self._alive = 0
        self._next_pid = next_pid

    def __iter__(self) -> Iterator[Process]:
        """By pid."""
        return iter(tuple(self._processes.values()))

    def __len__(self) -> int:
        return len(self._processes)

    def __contains__(self, pid: int) -> bool:
        return pid in self._processes

    def new_pid(self) -> int:
        pid = self._next_pid
        self._next_pid += 1
        return pid

    def skip_pids(self, last: int) -> None:
        """Give out no pid up to `last` any more."""
        self._next_pid = max(self._next_pid, last + 1)

    def add(self, process: Process) -> None:
        assert process.pid not in self._processes, "a pid is used once"
        newest = next(reversed(self._processes), 0)
        self._processes[process.pid] = process
        if process.pid < newest:
            self._processes = dict(sorted(self._processes.items()))
        self._children[process.parent][process.pid] = process
        self._groups[process.group][process.pid] = process
        self._alive += process.alive
        self._sessions[process.session] += process.alive
        if not process.alive:
            self._zombies[process.parent][process.pid] = process
        self._next_pid = max(self._next_pid, process.pid + 1)

    def find(self, pid: int) -> Process:
        """The process of a pid. Raises ESRCH."""
        process = self._processes.get(pid)
        if process is None:
            raise ESRCH(f"no process {pid}")
        return process

    def get(self, pid: int) -> Process | None:
        return self._processes.get(pid)

    def children(self, pid: int) -> list[Process]:
        """Dead ones included until they are reaped."""
        return list(self._children.get(pid, {}).values())

    def zombies(self, pid: int) -> list[Process]:
        """Children that have ended and wait to be reaped, in the order of their ends."""
        return list(self._zombies.get(pid, {}).values())

    def num_children(self, pid: int) -> int:
        return len(self._children.get(pid, ()))

    def group(self, group: int) -> list[Process]:
        return list(self._groups.get(group, {}).values())

    def descendants(self, pid: int) -> Iterator[Process]:
        """All below a process, parents before their children."""
        for child in self.children(pid):
            yield child
            yield from self.descendants(child.pid)

    def ancestors(self, pid: int) -> Iterator[int]:
        """The pids above a process, its parent first."""
        process = self._processes.get(pid)
        while process is not None and process.parent:
            yield process.parent
            process = self._processes.get(process.parent)

    def num_alive(self) -> int:
        return self._alive

    def num_in_session(self, session: int) -> int:
        """Of those that are alive."""
        return self._sessions[session]

    # ---- changes --------------------------------------------------------------------------

    def reparent(self, process: Process, parent: int) -> None:
        self._leave(self._children, process.parent, process.pid)
        if not process.alive:
            self._leave(self._zombies, process.parent, process.pid)
            self._zombies[parent][process.pid] = process
        process.parent = parent
        self._children[parent][process.pid] = process

    def regroup(self, process: Process, group: int) -> None:
        self._leave(self._groups, process.group, process.pid)
        process.group = group
        self._groups[group][process.pid] = process

    def begin_session(self, process: Process) -> None:
        """It leads a session of its own from now on."""
        self._leave_session(process)
        process.session = process.pid
        self._sessions[process.session] += process.alive

    def note_death(self, process: Process) -> None:
        """A process of the table has become a zombie."""
        self._alive -= 1
        self._sessions[process.session] -= 1
        self._zombies[process.parent][process.pid] = process

    def remove(self, pid: int) -> None:
        process = self._processes.pop(pid)
        self._alive -= process.alive
        self._leave_session(process)
        self._leave(self._children, process.parent, pid)
        if not process.alive:
            self._leave(self._zombies, process.parent, pid)
        self._leave(self._groups, process.group, pid)

    def _leave_session(self, process: Process) -> None:
        self._sessions[process.session] -= process.alive
        if not self._sessions[process.session]:
            del self._sessions[process.session]

    @staticmethod
    def _leave(index: defaultdict[int, dict[int, Process]], key: int, pid: int) -> None:
        members = index[key]
        del members[pid]
        if not members:
            del index[key]
