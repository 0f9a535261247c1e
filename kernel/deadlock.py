"""Deadlock: processes that wait for each other, so that none of them will ever go on.

The waits-for graph has an edge from a process to each one that could end its wait; any single one
suffices (an OR-wait: `wait` for several children, `select`). A process that waits for the outside
world (a message from anyone, a client, the engine) or does not wait at all can go on. So a wait is
hopeless exactly if no process that can go on is reachable from it (Knapp, "Deadlock detection in
distributed databases", 1987, section 3: the OR model). Only what is reachable from the newest wait
is looked at, when it begins: a wait that began with hope loses it only when another one begins.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..syscalls.errno import EDEADLK
from .process import Process, State
from .table import ProcessTable


def check(table: ProcessTable, process: Process, on: Iterable[int]) -> None:
    """Raises EDEADLK if `process` would wait forever for any of `on`."""
    seen: dict[int, int] = {}  # pid -> the one that waits for it
    front = [(pid, process.pid) for pid in on]
    if not front:
        return
    while front:
        pid, waiter = front.pop()
        if pid in seen:
            continue
        seen[pid] = waiter
        if pid == process.pid:
            continue
        other = table.get(pid)
        if other is None or _can_go_on(other):
            return
        front += [(further, pid) for further in other.waiting.on]
    circle = _circle(seen, process.pid)
    raise EDEADLK(
        "all would wait forever: "
        + ", ".join(f"process {one} waits for {other}" for one, other in circle),
        hint="end one of them, or let it answer first",
    )


def _can_go_on(process: Process) -> bool:
    # One that is stopped waits for whoever may continue it.
    waiting = process.waiting
    return process.state is not State.BLOCKED or process.stopped or not waiting.on or waiting.over()


def _circle(seen: dict[int, int], start: int) -> list[tuple[int, int]]:
    """(waiter, waited for), from `start` on around."""
    steps, pid = [], start
    while pid in seen:
        waiter = seen[pid]
        steps.append((waiter, pid))
        pid = waiter
        if pid == start:
            break
    return steps[::-1] or [(waiter, pid) for pid, waiter in seen.items()]
