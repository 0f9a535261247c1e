"""What of a process stands in the journal: the tables, statements that write, queries that read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..memory.address_space import AddressSpace
from ..memory.swap import Statement
from . import limits
from .mailbox import Message
from .messages import ExitInfo
from .process import Accounting, Process, State
from .signals import STRENGTH, Signal

SCHEMA = """
CREATE TABLE IF NOT EXISTS process (
    pid INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    pgid INTEGER NOT NULL,
    sid INTEGER NOT NULL,
    program TEXT NOT NULL,
    name TEXT NOT NULL,
    root TEXT NOT NULL,
    interactive INTEGER NOT NULL,
    text TEXT NOT NULL,
    image INTEGER NOT NULL DEFAULT 0,
    aliases TEXT NOT NULL DEFAULT '{}',
    nice INTEGER NOT NULL DEFAULT 0,
    tools TEXT,
    limits TEXT NOT NULL DEFAULT '{}',
    budget INTEGER,
    lender INTEGER,
    created REAL NOT NULL,
    spawn_key TEXT UNIQUE,
    stopped INTEGER NOT NULL DEFAULT 0,
    ending INTEGER NOT NULL DEFAULT 0,
    ending_since REAL NOT NULL DEFAULT 0,
    pending TEXT NOT NULL DEFAULT '',
    exit_status INTEGER,
    output TEXT NOT NULL DEFAULT '',
    reaped INTEGER NOT NULL DEFAULT 0,
    tokens_in INTEGER NOT NULL DEFAULT 0,
    tokens_cached INTEGER NOT NULL DEFAULT 0,
    tokens_out INTEGER NOT NULL DEFAULT 0,
    syscalls INTEGER NOT NULL DEFAULT 0,
    engine_s REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS output_schema (
    pid INTEGER PRIMARY KEY,
    schema TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS process_alive ON process (reaped, pid);
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS message_pid ON message (pid);
CREATE TABLE IF NOT EXISTS intent (
    call_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (pid, call_id)
) WITHOUT ROWID;
"""


# ---- processes ----------------------------------------------------------------------------


def insert_process(process: Process) -> list[Statement]:
    row = {
        "pid": process.pid,
        "parent": process.parent,
        "pgid": process.group,
        "sid": process.session,
        "program": process.program,
        "name": process.name,
        "root": str(process.root),
        "interactive": process.interactive,
        "text": process.space.text,
        "nice": process.nice,
        "tools": None if process.tools is None else json.dumps(process.tools),
        "limits": json.dumps(process.limits.given),
        "budget": process.budget,
        "lender": process.lender,
        "aliases": json.dumps(dict(process.aliases or {})),
        "created": process.created,
        "spawn_key": process.spawn_key,
    }
    marks = ", ".join("?" * len(row))
    insert = f"INSERT INTO process ({', '.join(row)}) VALUES ({marks})"
    statements: list[Statement] = [(insert, tuple(row.values()))]
    if process.output_schema is not None:
        schema = (process.pid, process.output_schema)
        statements.append(("INSERT INTO output_schema VALUES (?, ?)", schema))
    return statements


def update(pid: int, **columns: object) -> Statement:
    """Columns of a process's row."""
    changes = ", ".join(f"{name} = ?" for name in columns)
    return (f"UPDATE process SET {changes} WHERE pid = ?", (*columns.values(), pid))


def update_progress(process: Process) -> Statement:
    """What changes with nearly every step: usage, and the end that has begun."""
    accounting = process.accounting
    return (
        "UPDATE process SET tokens_in = ?, tokens_cached = ?, tokens_out = ?, syscalls = ?,"
        " engine_s = ?, ending = ?, ending_since = ? WHERE pid = ?",
        (
            accounting.tokens_in,
            accounting.tokens_cached,
            accounting.tokens_out,
            accounting.syscalls,
            accounting.engine_s,
            process.ending,
            process.ending_since,
            process.pid,
        ),
    )


def update_image(process: Process, image: int, program: str, name: str, text: str) -> Statement:
    return update(process.pid, image=image, program=program, name=name, text=text)


def update_exit(pid: int, exit_info: ExitInfo) -> Statement:
    return update(pid, exit_status=exit_info.status, output=exit_info.output, pending="", stopped=0)


def raise_signal(pid: int, signal: Signal) -> Statement:
    """Make it pending, unless a stronger one is. What is pending in the journal is compared there:
    what memory knows of it is older by the commits that are on their way."""
    weaker = [one.name for one in STRENGTH[: STRENGTH.index(signal)]]
    marks = ", ".join("?" * (len(weaker) + 1))
    return (
        f"UPDATE process SET pending = ? WHERE pid = ? AND pending IN ({marks})",
        (signal.name, pid, "", *weaker),
    )


def obeyed(pid: int, signal: Signal) -> Statement:
    """It is no longer pending; a stronger one that came meanwhile is."""
    return ("UPDATE process SET pending = '' WHERE pid = ? AND pending = ?", (pid, signal.name))


def adopt(orphan: int, heir: int) -> Statement:
    return update(orphan, parent=heir)


def reap(pid: int) -> Statement:
    return update(pid, reaped=1)


def grant(pid: int, tokens: int) -> Statement:
    """More budget, or less. A process without one has no end to it."""
    return ("UPDATE process SET budget = budget + ? WHERE pid = ?", (tokens, pid))


_COLUMNS = (
    "pid, parent, pgid, sid, program, name, root, interactive, text, image, nice, tools, limits,"
    " budget, lender, aliases, created, spawn_key, stopped, ending, ending_since, pending,"
    " exit_status, output, reaped, tokens_in, tokens_cached, tokens_out, syscalls, engine_s,"
    " schema"
)
_FROM = "process LEFT JOIN output_schema USING (pid)"
Row = Mapping[str, Any]


def read_processes(connection: sqlite3.Connection) -> list[Process]:
    """All that are not reaped, by pid, without their pages and messages."""
    query = f"SELECT {_COLUMNS} FROM {_FROM} WHERE reaped = 0 ORDER BY pid"
    return [_process(_named(row)) for row in connection.execute(query)]


def read_process(connection: sqlite3.Connection, pid: int) -> Process | None:
    """One process as it stands in the journal, reaped or not; without its pages."""
    query = f"SELECT {_COLUMNS} FROM {_FROM} WHERE pid = ?"
    row = connection.execute(query, (pid,)).fetchone()
    return _process(_named(row)) if row else None


def read_pid_of(connection: sqlite3.Connection, spawn_key: str) -> int | None:
    """The process that a syscall has made, if it got that far."""
    row = connection.execute("SELECT pid FROM process WHERE spawn_key = ?", (spawn_key,)).fetchone()
    return row[0] if row else None


def read_last_pid(connection: sqlite3.Connection) -> int:
    """Of all that there ever were, removed ones included."""
    (last,) = connection.execute(
        "SELECT max((SELECT COALESCE(MAX(pid), 0) FROM process), COALESCE("
        "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'last_pid'), 0))"
    ).fetchone()
    return int(last)


def remove(connection: sqlite3.Connection, pid: int) -> None:
    """The row of a process that is reaped. Who would give tokens back to it, gives them to whom it
    would have; its pid is not used again."""
    last = read_last_pid(connection)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_pid', ?)", (str(last),))
    connection.execute(
        "UPDATE process SET lender = (SELECT lender FROM process WHERE pid = ?) WHERE lender = ?",
        (pid, pid),
    )
    connection.execute("DELETE FROM process WHERE pid = ?", (pid,))


def _named(row: tuple[Any, ...]) -> Row:
    return dict(zip(_COLUMNS.split(", "), row, strict=True))


def _process(row: Row) -> Process:
    accounting = Accounting(
        row["tokens_in"], row["tokens_cached"], row["tokens_out"], row["syscalls"], row["engine_s"]
    )
    process = Process(
        pid=row["pid"],
        parent=row["parent"],
        group=row["pgid"],
        session=row["sid"],
        program=row["program"],
        name=row["name"],
        root=Path(row["root"]),
        interactive=bool(row["interactive"]),
        created=row["created"],
        spawn_key=row["spawn_key"],
        space=AddressSpace(row["text"]),
        image=row["image"],
        nice=row["nice"],
        tools=None if row["tools"] is None else tuple(json.loads(row["tools"])),
        limits=limits.parse(json.loads(row["limits"])),
        budget=row["budget"],
        lender=row["lender"],
        aliases={int(old): new for old, new in json.loads(row["aliases"]).items()} or None,
        stopped=bool(row["stopped"]),
        ending=row["ending"],
        ending_since=row["ending_since"],
        pending=Signal[row["pending"]] if row["pending"] else None,
        accounting=accounting,
        output_schema=row["schema"],
    )
    if row["exit_status"] is not None:
        process.exit = ExitInfo(row["pid"], row["exit_status"], row["output"], accounting.usage())
        process.state = State.ZOMBIE
        process.exited.set()
    return process


# ---- messages and intents -----------------------------------------------------------------


def insert_message(pid: int, message: Message) -> Statement:
    return (
        "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)",
        (message.id, pid, message.sender, message.kind, message.text, message.created),
    )


def delete_message(message: Message) -> Statement:
    return ("DELETE FROM message WHERE id = ?", (message.id,))


def delete_messages(pid: int) -> Statement:
    """All that wait for a process: nobody will read them."""
    return ("DELETE FROM message WHERE pid = ?", (pid,))


def read_messages(connection: sqlite3.Connection) -> list[tuple[int, Message]]:
    """(pid, message), in the order of their sending."""
    rows = connection.execute(
        "SELECT pid, id, text, sender, kind, created FROM message ORDER BY id"
    )
    return [(pid, Message(*rest)) for pid, *rest in rows]


def insert_intent(pid: int, call_id: str, name: str) -> Statement:
    return ("INSERT OR REPLACE INTO intent VALUES (?, ?, ?)", (call_id, pid, name))


def delete_intent(pid: int, call_id: str) -> Statement:
    return ("DELETE FROM intent WHERE pid = ? AND call_id = ?", (pid, call_id))


def delete_intents(pid: int) -> Statement:
    """Of all calls: a call id is used again after an exec."""
    return ("DELETE FROM intent WHERE pid = ?", (pid,))


def read_intents(connection: sqlite3.Connection) -> set[tuple[int, str]]:
    """(pid, call_id) of syscalls that were begun and not finished."""
    return set(connection.execute("SELECT pid, call_id FROM intent"))
