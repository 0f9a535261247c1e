"""What of conversations stands in the journal, beside the pages: which process goes on with which
one, and what the user thought of an answer.

A *conversation* is what a person began with an agent. It is named by the pid of the process that
began it, and has a process more for each time that it was brought back.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..memory.removal import remove_pages
from ..memory.swap import Statement
from . import records
from .messages import Feedback

SCHEMA = """
CREATE TABLE IF NOT EXISTS conversation (
    pid INTEGER PRIMARY KEY,
    began INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS conversation_began ON conversation (began);
CREATE TABLE IF NOT EXISTS feedback (
    frame INTEGER PRIMARY KEY,
    verdict TEXT NOT NULL,
    text TEXT NOT NULL,
    created REAL NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A conversation as the journal has it. `pid` and `image` are those of its newest process,
    `last` is when its newest page was written; `by_person` is False for what an agent began."""

    id: int
    pid: int
    image: int
    pids: tuple[int, ...]
    name: str
    root: str
    interactive: bool
    by_person: bool
    exit_status: int | None
    began: float
    last: float


def goes_on(pid: int, began: int) -> Statement:
    """Process `pid` goes on with the conversation `began`."""
    return ("INSERT INTO conversation VALUES (?, ?)", (pid, began))


def read_conversations(connection: sqlite3.Connection) -> list[Stored]:
    """All that have a page, the newest last."""
    rows = connection.execute(
        "SELECT pid, coalesce(conversation.began, pid), image, name, root, interactive, spawn_key,"
        " exit_status, created, (SELECT frame.created FROM page_table JOIN frame"
        " ON frame.id = page_table.frame WHERE page_table.pid = process.pid"
        " AND page_table.image = process.image ORDER BY page_table.vpn DESC LIMIT 1) AS last"
        " FROM process LEFT JOIN conversation USING (pid) WHERE program = 'agent' ORDER BY pid"
    ).fetchall()
    members: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        if row[-1] is not None:
            members[row[1]].append(row)
    found = [_stored(of_it) for of_it in members.values()]
    return sorted(found, key=lambda one: (one.last, one.pid))


def _stored(members: Sequence[tuple[Any, ...]]) -> Stored:
    _, began_by, _, name, _, _, spawn_key, _, began, _ = members[0]
    pid, _, image, _, root, interactive, _, exit_status, _, last = members[-1]
    return Stored(
        id=began_by,
        pid=pid,
        image=image,
        pids=tuple(row[0] for row in members),
        name=name,
        root=root,
        interactive=bool(interactive),
        by_person=spawn_key is None,
        exit_status=exit_status,
        began=began,
        last=last,
    )


# ---- feedback -----------------------------------------------------------------------------


def give_feedback(
    connection: sqlite3.Connection, pid: int, image: int, vpn: int, given: Feedback | None
) -> None:
    """Of a page, in place of what was said of it before; None takes that back. It belongs to what
    the page holds, and so is seen from each process that has that."""
    page = "(SELECT frame FROM page_table WHERE pid = ? AND image = ? AND vpn = ?)"
    if given is None:
        connection.execute(f"DELETE FROM feedback WHERE frame = {page}", (pid, image, vpn))
        return
    connection.execute(
        f"INSERT OR REPLACE INTO feedback VALUES ({page}, ?, ?, ?)",
        (pid, image, vpn, given.verdict, given.text, given.created),
    )


def read_feedback(connection: sqlite3.Connection, pid: int, image: int) -> Mapping[int, Feedback]:
    """By the numbers of the pages that it is of."""
    rows = connection.execute(
        "SELECT vpn, verdict, text, created FROM page_table JOIN feedback USING (frame)"
        " WHERE pid = ? AND image = ?",
        (pid, image),
    )
    return {vpn: Feedback(verdict, text, created) for vpn, verdict, text, created in rows}


# ---- removing -----------------------------------------------------------------------------


def helpers_of(connection: sqlite3.Connection, pids: Iterable[int]) -> list[int]:
    """Those that the agents of these processes have begun, and they in turn."""
    query = "SELECT pid FROM process WHERE sid = ? AND pid != ? AND spawn_key IS NOT NULL"
    return [helper for pid in pids for (helper,) in connection.execute(query, (pid, pid))]


def remove(connection: sqlite3.Connection, pids: Iterable[int]) -> None:
    """Processes that are reaped, with all that they said and what was thought of it."""
    for pid in pids:
        frames = remove_pages(connection, pid)
        connection.executemany("DELETE FROM feedback WHERE frame = ?", ((one,) for one in frames))
        connection.execute("DELETE FROM conversation WHERE pid = ?", (pid,))
        records.remove(connection, pid)
