"""Recovery: the process table out of the journal, after a shutdown or a crash alike."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ..memory import swap
from . import records
from .process import Process


@dataclass(frozen=True, slots=True)
class Recovered:
    """Everything that a new kernel takes over."""

    processes: list[Process]
    last_pid: int
    last_message_id: int
    interrupted_calls: set[tuple[int, str]]


def recover(connection: sqlite3.Connection) -> Recovered:
    """Read it all in one transaction of the journal's thread. Raises SwapDamaged."""
    processes = {process.pid: process for process in records.read_processes(connection)}
    for process in processes.values():
        load_pages(connection, process)
    for pid, draft in swap.read_drafts(connection).items():
        if pid in processes:
            processes[pid].draft = draft
    last_message_id = 0
    for pid, message in records.read_messages(connection):
        last_message_id = max(last_message_id, message.id)
        if pid in processes:
            processes[pid].mailbox.put(message)
    return Recovered(
        processes=list(processes.values()),
        last_pid=records.read_last_pid(connection),
        last_message_id=last_message_id,
        interrupted_calls=records.read_intents(connection),
    )


def load_pages(connection: sqlite3.Connection, process: Process) -> None:
    """Fill the address space from swap. Raises SwapDamaged."""
    for page, resident, limit_tokens in swap.read_pages(connection, process.pid, process.image):
        process.space.append(page, resident=resident, limit_tokens=limit_tokens)
