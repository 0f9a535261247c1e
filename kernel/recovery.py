"""Recovery: the process table out of the journal, after a shutdown or a crash alike."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from ..memory.address_space import AddressSpace
from ..memory.swap import read_pages
from . import records
from .messages import ExitInfo
from .process import Process, State


@dataclass(frozen=True, slots=True)
class Recovered:
    """Everything that a new kernel takes over."""

    processes: list[Process]
    last_pid: int
    last_message_id: int
    interrupted_calls: set[tuple[int, str]]


def recover(connection: sqlite3.Connection) -> Recovered:
    """Read it all in one transaction of the journal's thread. Raises SwapDamaged."""
    processes = {
        record.pid: _revive(connection, record) for record in records.read_processes(connection)
    }
    last_message_id = 0
    for pid, message in records.read_messages(connection):
        last_message_id = max(last_message_id, message.id)
        if pid in processes:
            processes[pid].mailbox.append(message)
    return Recovered(
        processes=list(processes.values()),
        last_pid=records.read_last_pid(connection),
        last_message_id=last_message_id,
        interrupted_calls=records.read_intents(connection),
    )


def _revive(connection: sqlite3.Connection, record: records.ProcessRecord) -> Process:
    space = AddressSpace(record.text)
    for page, resident, limit_tokens in read_pages(connection, record.pid):
        space.append(page, resident=resident, limit_tokens=limit_tokens)
    process = Process(
        pid=record.pid,
        parent=record.parent,
        program=record.program,
        name=record.name,
        root=Path(record.root),
        interactive=record.interactive,
        created=record.created,
        spawn_key=record.spawn_key,
        space=space,
        accounting=record.accounting,
    )
    if record.exit_status is not None:
        process.exit = ExitInfo(
            record.pid, record.exit_status, record.output, record.accounting.usage()
        )
        process.state = State.ZOMBIE
        process.exited.set()
    return process
