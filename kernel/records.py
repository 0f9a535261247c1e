"""What of a process stands in the journal: statements that write it, queries that read it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from ..memory.swap import Statement
from .messages import ExitInfo
from .process import INIT_PID, Accounting, Message, Process


def insert_process(process: Process) -> Statement:
    return (
        "INSERT INTO process (pid, parent, program, name, root, interactive, text, created,"
        " spawn_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            process.pid,
            process.parent,
            process.program,
            process.name,
            str(process.root),
            process.interactive,
            process.space.text,
            process.created,
            process.spawn_key,
        ),
    )


def insert_message(pid: int, message: Message) -> Statement:
    return ("INSERT INTO message VALUES (?, ?, ?)", (message.id, pid, message.text))


def delete_message(message: Message) -> Statement:
    return ("DELETE FROM message WHERE id = ?", (message.id,))


def update_accounting(pid: int, accounting: Accounting) -> Statement:
    return (
        "UPDATE process SET tokens_in = ?, tokens_cached = ?, tokens_out = ?, syscalls = ?,"
        " engine_s = ? WHERE pid = ?",
        (
            accounting.tokens_in,
            accounting.tokens_cached,
            accounting.tokens_out,
            accounting.syscalls,
            accounting.engine_s,
            pid,
        ),
    )


def insert_intent(pid: int, call_id: str, name: str) -> Statement:
    return ("INSERT OR REPLACE INTO intent VALUES (?, ?, ?)", (call_id, pid, name))


def delete_intent(pid: int, call_id: str) -> Statement:
    return ("DELETE FROM intent WHERE pid = ? AND call_id = ?", (pid, call_id))


def update_exit(pid: int, exit_info: ExitInfo) -> Statement:
    return (
        "UPDATE process SET exit_status = ?, output = ? WHERE pid = ?",
        (exit_info.status, exit_info.output, pid),
    )


def adopt(orphan: int) -> Statement:
    return ("UPDATE process SET parent = ? WHERE pid = ?", (INIT_PID, orphan))


def reap(pid: int) -> Statement:
    return ("UPDATE process SET reaped = 1 WHERE pid = ?", (pid,))


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A row of the journal's process table."""

    pid: int
    parent: int
    program: str
    name: str
    root: str
    interactive: bool
    text: str
    created: float
    spawn_key: str | None
    exit_status: int | None
    output: str
    reaped: bool
    accounting: Accounting


_COLUMNS = (
    "pid, parent, program, name, root, interactive, text, created, spawn_key, exit_status, output,"
    " reaped, tokens_in, tokens_cached, tokens_out, syscalls, engine_s"
)


def read_processes(connection: sqlite3.Connection) -> list[ProcessRecord]:
    """All that are not reaped, by pid."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM process WHERE reaped = 0 ORDER BY pid")
    return [_record(row) for row in rows]


def read_process(connection: sqlite3.Connection, pid: int) -> ProcessRecord | None:
    """One process, reaped or not."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM process WHERE pid = ?", (pid,)).fetchone()
    return _record(row) if row else None


def read_pid_of(connection: sqlite3.Connection, spawn_key: str) -> int | None:
    """The process that a syscall has made, if it got that far."""
    row = connection.execute("SELECT pid FROM process WHERE spawn_key = ?", (spawn_key,)).fetchone()
    return row[0] if row else None


def read_last_pid(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT COALESCE(MAX(pid), 0) FROM process").fetchone()
    return int(last)


def read_messages(connection: sqlite3.Connection) -> list[tuple[int, Message]]:
    """(pid, message), in the order of their sending."""
    rows = connection.execute("SELECT pid, id, text FROM message ORDER BY id")
    return [(pid, Message(id, text)) for pid, id, text in rows]


def read_intents(connection: sqlite3.Connection) -> set[tuple[int, str]]:
    """(pid, call_id) of syscalls that were begun and not finished."""
    return set(connection.execute("SELECT pid, call_id FROM intent"))


def _record(row: tuple[Any, ...]) -> ProcessRecord:
    pid, parent, program, name, root, interactive, text, created, key, status, output, reaped = row[
        :12
    ]
    return ProcessRecord(
        pid=pid,
        parent=parent,
        program=program,
        name=name,
        root=root,
        interactive=bool(interactive),
        text=text,
        created=created,
        spawn_key=key,
        exit_status=status,
        output=output,
        reaped=bool(reaped),
        accounting=Accounting(*row[12:]),
    )
