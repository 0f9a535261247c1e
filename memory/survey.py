"""A survey of swap: who has which pages, what they take, and whether it all holds together.

These read more than a process ever needs for itself: through a connection of their own that only
reads (`open_reader`), so that the kernel's journal never waits for them.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .swap import NOBODY, StoredPage, SwapDamaged, read_pages

AT_ONCE = 500
"""Pages in memory at a time."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Pages that left a window together. `created` is in Unix seconds."""

    created: float
    tokens_before: int
    tokens_after: int
    num_pages: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process's pages take: in its window, and on disk. `bytes` are of the texts as they are
    stored, those that it shares with others included; `own_bytes` are those that it wrote."""

    pid: int
    pages: int
    resident_tokens: int
    evicted_tokens: int
    bytes: int
    own_bytes: int


@contextmanager
def open_reader(journal: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, beside the kernel's own: one moment, as far as it was
    committed."""
    connection = sqlite3.connect(f"file:{journal}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


def pages_with_users(
    connection: sqlite3.Connection, pid: int, image: int
) -> Iterator[tuple[StoredPage, int]]:
    """Each page, oldest first, and how many page tables have its frame. Raises SwapDamaged."""
    users = connection.execute(
        "SELECT (SELECT count(*) FROM page_table AS other WHERE other.frame = own.frame)"
        " FROM page_table AS own WHERE pid = ? AND image = ? ORDER BY vpn",
        (pid, image),
    )
    for first in itertools.count(step=AT_ONCE):
        pages = read_pages(connection, pid, image, first, AT_ONCE)
        if not pages:
            return
        for page in pages:
            yield page, users.fetchone()[0]


def flushes(connection: sqlite3.Connection, pid: int, image: int) -> list[Flush]:
    """The oldest first."""
    rows = connection.execute(
        "SELECT created, tokens_before, tokens_after, num_pages FROM flush"
        " WHERE pid = ? AND image = ? ORDER BY id",
        (pid, image),
    )
    return [Flush(*row) for row in rows]


def footprints(connection: sqlite3.Connection) -> list[Footprint]:
    """Of all processes that ever had a page, by pid; all their images together."""
    rows = connection.execute(
        "SELECT pid, count(*), sum(CASE WHEN evicted IS NULL THEN"
        " min(num_tokens, coalesce(limit_tokens, num_tokens)) ELSE 0 END),"
        " sum(CASE WHEN evicted IS NOT NULL THEN num_tokens ELSE 0 END),"
        " sum(length(CAST(text AS BLOB))),"
        " sum(CASE WHEN owner = pid || '.' || image THEN length(CAST(text AS BLOB)) ELSE 0 END)"
        " FROM page_table JOIN frame ON frame.id = page_table.frame GROUP BY pid ORDER BY pid"
    )
    return [Footprint(*row) for row in rows]


def swap_size(connection: sqlite3.Connection) -> tuple[int, int]:
    """(frames, bytes of their texts as they are stored)."""
    frames, size = connection.execute(
        "SELECT count(*), coalesce(sum(length(CAST(text AS BLOB))), 0) FROM frame"
    ).fetchone()
    return int(frames), int(size)


# ---- does it hold together? ---------------------------------------------------------------


def damage(connection: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with swap, a line each; nothing when all is well. Reads every page."""
    for (line,) in connection.execute("PRAGMA quick_check(10)"):
        if line != "ok":
            yield f"the database is damaged: {line}"
    gaps = connection.execute(
        "SELECT pid, count(*), min(vpn), max(vpn) FROM page_table GROUP BY pid, image"
        " HAVING min(vpn) != 0 OR count(*) != max(vpn) + 1"
    )
    for pid, count, first, last in gaps:
        yield f"process {pid} has {count} pages, numbered {first} to {last}: there are gaps"
    lost = connection.execute(
        "SELECT pid, vpn FROM page_table WHERE frame NOT IN (SELECT id FROM frame)"
    )
    for pid, vpn in lost:
        yield f"page {vpn} of process {pid} has no frame"
    orphans = connection.execute(
        "SELECT owner, vpn FROM frame WHERE id NOT IN (SELECT frame FROM page_table)"
        " AND owner != ?",
        (NOBODY,),
    )
    for owner, vpn in orphans:
        yield f"the frame of page {vpn} of {owner} is in nobody's page table"
    lives = connection.execute("SELECT DISTINCT pid, image FROM page_table").fetchall()
    for pid, image in lives:
        yield from _unreadable(connection, pid, image)


def _unreadable(connection: sqlite3.Connection, pid: int, image: int) -> Iterator[str]:
    for first in itertools.count(step=AT_ONCE):
        try:
            if not read_pages(connection, pid, image, first, AT_ONCE):
                return
        except SwapDamaged:
            for vpn in range(first, first + AT_ONCE):
                try:
                    read_pages(connection, pid, image, vpn, 1)
                except SwapDamaged as error:
                    yield str(error)
