"""Processes as `ps` shows them: each field of `ProcessInfo`, and where it is read.

A long list goes out by columns: the names of the fields are then said once, not ten thousand times,
and a column is read in one sweep.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any

from .messages import AttachInfo, ProcessInfo, Usage
from .process import Process
from .scheduler import Scheduler

Columns = dict[str, Any]
"""By field: a list with a value a process, or again columns."""

ELSEWHERE = {
    "state": "state._value_",  # `value` is a property of enums, and ten times slower
    "waits_for": "waiting.words",
    "limits": "limits.given",
    "faults": "space.faults.total",
    "evictions": "space.faults.evictions",
    "thrashing": "space.faults.thrashing",
}
"""Fields that have another name in a process."""

SCHEDULED = ("level", "queued_s", "blocks")
"""Fields that the scheduler knows."""

_READ = {
    field.name: attrgetter(ELSEWHERE.get(field.name, field.name))
    for field in fields(ProcessInfo)
    if field.name not in ("usage", *SCHEDULED)
}
_READ_USAGE = {field.name: attrgetter(f"accounting.{field.name}") for field in fields(Usage)}


def attached(process: Process, scheduler: Scheduler, watchers: int) -> AttachInfo:
    """One process, for somebody who attaches at this very moment."""
    fields: dict[str, Any] = {name: read(process) for name, read in _READ.items()}
    fields |= zip(SCHEDULED, scheduler.row(process), strict=True)
    return AttachInfo(
        usage=process.accounting.usage(),
        said=process.said,
        num_pages=len(process.space),
        watchers=watchers,
        **fields,
    )


def columns(processes: Iterable[Process], scheduler: Scheduler) -> Columns:
    """All of them, in their order."""
    listed = tuple(processes)
    usage = {name: list(map(read, listed)) for name, read in _READ_USAGE.items()}
    rows = list(map(scheduler.row, listed))
    scheduled = {name: [row[index] for row in rows] for index, name in enumerate(SCHEDULED)}
    return (
        {name: list(map(read, listed)) for name, read in _READ.items()}
        | scheduled
        | {"usage": usage}
    )
