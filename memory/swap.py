"""Swap: where every page is, byte for byte, from the moment it exists.

SQLite holds the truth. This file makes statements and reads rows; the one connection belongs to
the kernel's journal, so that a page and the state change that brought it are one transaction.

A *frame* is the content of a page; a process's *page table* says which frame stands where, and
since when it is evicted. A fork copies the table, not the frames. An exec begins a new *image*: the
old one stays readable. A page is written through, so none is ever dirty: to evict it is to note
that it left.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .address_space import AddressSpace, Entry, Origin
from .blocks import Statement, copy_blocks, read_blocks
from .compression import compressed, decompressed
from .draft import Draft
from .page import Call, Page

__all__ = ["Statement"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS frame (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    vpn INTEGER NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    calls TEXT NOT NULL,
    call_id TEXT NOT NULL,
    interrupted INTEGER NOT NULL,
    recalled INTEGER NOT NULL,
    num_tokens INTEGER NOT NULL,
    created REAL NOT NULL,
    checksum TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS page_table (
    pid INTEGER NOT NULL,
    image INTEGER NOT NULL,
    vpn INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    limit_tokens INTEGER,
    pinned INTEGER NOT NULL DEFAULT 0,
    unwanted INTEGER NOT NULL DEFAULT 0,
    evicted REAL,
    PRIMARY KEY (pid, image, vpn)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS page_table_resident ON page_table (pid, image, vpn)
    WHERE evicted IS NULL;
CREATE INDEX IF NOT EXISTS page_table_frame ON page_table (frame);
CREATE TABLE IF NOT EXISTS address_space (
    pid INTEGER NOT NULL,
    image INTEGER NOT NULL,
    head TEXT NOT NULL,
    origins TEXT NOT NULL,
    PRIMARY KEY (pid, image)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS flush (
    id INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    image INTEGER NOT NULL,
    created REAL NOT NULL,
    tokens_before INTEGER NOT NULL,
    tokens_after INTEGER NOT NULL,
    num_pages INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS flush_pid ON flush (pid, image);
CREATE TABLE IF NOT EXISTS forgotten (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    vpn INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS draft (
    pid INTEGER PRIMARY KEY,
    token_ids TEXT NOT NULL,
    text TEXT NOT NULL
);
"""

_INSERT_FRAME = (
    "INSERT INTO frame (owner, vpn, role, text, calls, call_id, interrupted, recalled, num_tokens,"
    " created, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_FRAME = (
    "frame.vpn, role, text, calls, call_id, interrupted, recalled, num_tokens, created, checksum"
)
_ENTRY = "limit_tokens, pinned, unwanted, evicted"
_PAGES = (
    f"SELECT {_FRAME}, {_ENTRY} FROM page_table JOIN frame ON frame.id = page_table.frame"
    " WHERE pid = ? AND image = ?"
)
# SQLite would go through all pages of the process, by the primary key.
_RESIDENT = _PAGES.replace("page_table", "page_table INDEXED BY page_table_resident", 1)


NOBODY = ""
"""Owner of a frame whose page was removed (`removal.py`)."""


class SwapDamaged(Exception):
    """A page in swap is not what was written."""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page and its row of the page table. `evicted` is when it left, in Unix seconds; None while
    it is resident."""

    page: Page
    limit_tokens: int | None
    pinned: bool
    unwanted: bool
    evicted: float | None

    @property
    def resident(self) -> bool:
        return self.evicted is None

    def entry(self) -> Entry:
        return Entry(self.page, self.limit_tokens, self.pinned, self.unwanted)


def owner_of(pid: int, image: int) -> str:
    """Whose pages they are: one life of a process, from an exec to the next."""
    return f"{pid}.{image}"


# ---- writing ------------------------------------------------------------------------------


def write_page(pid: int, image: int, page: Page, limit_tokens: int | None) -> list[Statement]:
    """A new, resident page. The statements belong together, in this order."""
    return [
        (_INSERT_FRAME, _frame(owner_of(pid, image), page)),
        (
            "INSERT INTO page_table (pid, image, vpn, frame, limit_tokens)"
            " VALUES (?, ?, ?, last_insert_rowid(), ?)",
            (pid, image, page.vpn, limit_tokens),
        ),
    ]


def insert_frame(connection: sqlite3.Connection, owner: str, page: Page) -> int:
    """The id of a frame that holds the page."""
    frame = connection.execute(_INSERT_FRAME, _frame(owner, page)).lastrowid
    assert frame is not None
    return frame


def insert_entry(
    connection: sqlite3.Connection,
    pid: int,
    vpn: int,
    frame: int,
    limit_tokens: int | None,
    pinned: bool,
    unwanted: bool,
    evicted: float | None,
) -> None:
    """A row of the page table of a process's first image."""
    connection.execute(
        "INSERT INTO page_table VALUES (?, 0, ?, ?, ?, ?, ?, ?)",
        (pid, vpn, frame, limit_tokens, pinned, unwanted, evicted),
    )


def share_pages(pid: int, image: int, child: int, space: AddressSpace) -> list[Statement]:
    """The child's page table is a copy of the parent's; the frames are shared. `space` is the
    child's: a page of the parent that is on its way to the journal meanwhile is not in it."""
    return [
        (
            f"INSERT INTO page_table SELECT ?, 0, vpn, frame, {_ENTRY}"
            " FROM page_table WHERE pid = ? AND image = ? AND vpn < ?",
            (child, pid, image, len(space)),
        ),
        copy_blocks(pid, image, child),
        write_space(child, 0, space),
    ]


def write_space(pid: int, image: int, space: AddressSpace, head: str | None = None) -> Statement:
    """What an address space is beside its pages and blocks; with another head, if one is given."""
    origins = [[origin.owner, origin.before] for origin in space.origins]
    return (
        "INSERT OR REPLACE INTO address_space VALUES (?, ?, ?, ?)",
        (pid, image, space.head if head is None else head, json.dumps(origins)),
    )


def pin(pid: int, image: int, vpn: int, pinned: bool) -> Statement:
    """Whether a page is to stay in the window."""
    return (
        "UPDATE page_table SET pinned = ? WHERE pid = ? AND image = ? AND vpn = ?",
        (pinned, pid, image, vpn),
    )


def forget(pid: int, image: int, vpn: int) -> list[Statement]:
    """A process wants a page no more: it leaves the window before others. When nobody else has it
    in a page table and wants it, it is not to be found any more either."""
    return [
        (
            "UPDATE page_table SET unwanted = 1, pinned = 0"
            " WHERE pid = ? AND image = ? AND vpn = ?",
            (pid, image, vpn),
        ),
        note_forgotten(pid, image, vpn),
    ]


def note_forgotten(pid: int, image: int, vpn: int) -> Statement:
    """For those who index frames: drop this one, if nobody wants it."""
    return (
        "INSERT INTO forgotten (owner, vpn) SELECT frame.owner, frame.vpn"
        " FROM page_table AS own JOIN frame ON frame.id = own.frame"
        " WHERE own.pid = ? AND own.image = ? AND own.vpn = ? AND NOT EXISTS"
        " (SELECT 1 FROM page_table AS other WHERE other.frame = own.frame AND NOT other.unwanted)",
        (pid, image, vpn),
    )


def page_out(
    pid: int,
    image: int,
    pages: Iterable[Page],
    now: float,
    *,
    tokens_before: int,
    tokens_after: int,
) -> list[Statement]:
    """These pages left the window together, in a flush."""
    vpns = [page.vpn for page in pages]
    return [
        (
            "UPDATE page_table SET evicted = ? WHERE pid = ? AND image = ?"
            " AND vpn IN (SELECT value FROM json_each(?))",
            (now, pid, image, json.dumps(vpns)),
        ),
        (
            "INSERT INTO flush (pid, image, created, tokens_before, tokens_after, num_pages)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (pid, image, now, tokens_before, tokens_after, len(vpns)),
        ),
    ]


# ---- reading ------------------------------------------------------------------------------


def read_space(connection: sqlite3.Connection, pid: int, image: int, text: str) -> AddressSpace:
    """As it was left; what it costs does not grow with the pages that are evicted. Raises
    SwapDamaged."""
    rows = connection.execute(
        f"{_RESIDENT} AND evicted IS NULL ORDER BY page_table.vpn", (pid, image)
    )
    entries = [_read(pid, row).entry() for row in rows]
    (num_pages,) = connection.execute(
        "SELECT coalesce(max(vpn) + 1, 0) FROM page_table WHERE pid = ? AND image = ?",
        (pid, image),
    ).fetchone()
    turn = max((entry.page.vpn for entry in entries if entry.page.role == "user"), default=-1)
    (steps,) = connection.execute(
        "SELECT count(*) FROM page_table JOIN frame ON frame.id = page_table.frame"
        " WHERE pid = ? AND image = ? AND page_table.vpn > ? AND role = 'assistant'",
        (pid, image, turn),
    ).fetchone()
    found = connection.execute(
        "SELECT head, origins FROM address_space WHERE pid = ? AND image = ?", (pid, image)
    ).fetchone()
    head, origins = found or ("", "[]")
    return AddressSpace.resumed(
        text,
        entries,
        num_pages,
        steps=steps,
        head=head,
        blocks=read_blocks(connection, pid, image),
        origins=[Origin(*origin) for origin in json.loads(origins)],
    )


def read_pages(
    connection: sqlite3.Connection, pid: int, image: int, first: int = 0, count: int = -1
) -> list[StoredPage]:
    """Pages of a process from number `first` on, at most `count`, oldest first. Raises
    SwapDamaged."""
    rows = connection.execute(
        f"{_PAGES} AND page_table.vpn >= ? ORDER BY page_table.vpn LIMIT ?",
        (pid, image, first, count),
    )
    return [_read(pid, row) for row in rows]


def read_owners(connection: sqlite3.Connection, pid: int, image: int) -> dict[int, str]:
    """Who wrote each page of a process, by its number: before a fork it was another one."""
    rows = connection.execute(
        "SELECT page_table.vpn, owner FROM page_table JOIN frame ON frame.id = page_table.frame"
        " WHERE pid = ? AND image = ?",
        (pid, image),
    )
    return dict(rows.fetchall())


def read_table(
    connection: sqlite3.Connection, pid: int, image: int, num_pages: int
) -> list[tuple[int, StoredPage]]:
    """(frame, page) for the first `num_pages`, oldest first: pages that processes share have one
    frame. Raises SwapDamaged."""
    pages = read_pages(connection, pid, image, count=num_pages)
    frames = connection.execute(
        "SELECT frame FROM page_table WHERE pid = ? AND image = ? ORDER BY vpn LIMIT ?",
        (pid, image, num_pages),
    )
    return [(frame, page) for (frame,), page in zip(frames, pages, strict=True)]


def read_page(connection: sqlite3.Connection, pid: int, image: int, vpn: int) -> StoredPage | None:
    """One page, or None where there is none. Raises SwapDamaged."""
    row = connection.execute(f"{_PAGES} AND page_table.vpn = ?", (pid, image, vpn)).fetchone()
    return _read(pid, row) if row else None


def read_forgotten(
    connection: sqlite3.Connection, after: int, limit: int
) -> list[tuple[int, str, int]]:
    """(number, owner, vpn) of pages that nobody wants to find any more, behind a number."""
    rows = connection.execute(
        "SELECT number, owner, vpn FROM forgotten WHERE number > ? ORDER BY number LIMIT ?",
        (after, limit),
    )
    return rows.fetchall()


def read_unwanted(connection: sqlite3.Connection, pid: int, image: int) -> set[int]:
    """Pages that a process does not want to find, though others may."""
    rows = connection.execute(
        "SELECT vpn FROM page_table WHERE pid = ? AND image = ? AND unwanted", (pid, image)
    )
    return {vpn for (vpn,) in rows}


# ---- drafts -------------------------------------------------------------------------------


def write_draft(pid: int, draft: Draft) -> Statement:
    return (
        "INSERT OR REPLACE INTO draft VALUES (?, ?, ?)",
        (pid, json.dumps(draft.token_ids), draft.text),
    )


def delete_draft(pid: int) -> Statement:
    return ("DELETE FROM draft WHERE pid = ?", (pid,))


def keep_drafts_of(connection: sqlite3.Connection, model: str) -> None:
    """Drafts are tokens of a model's vocabulary: another model cannot go on with them. Their text
    stays: it says what was shown."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'model'").fetchone()
    if row is not None and row[0] != model:
        connection.execute("UPDATE draft SET token_ids = '[]'")
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('model', ?)", (model,))


def read_drafts(connection: sqlite3.Connection) -> dict[int, Draft]:
    """All there are, by pid."""
    rows = connection.execute("SELECT pid, token_ids, text FROM draft")
    return {pid: Draft(tuple(json.loads(token_ids)), text) for pid, token_ids, text in rows}


# ---- rows ---------------------------------------------------------------------------------


def _frame(owner: str, page: Page) -> tuple[object, ...]:
    return (
        owner,
        page.vpn,
        page.role,
        compressed(page.text),
        json.dumps([[call.call_id, call.name, call.arguments] for call in page.calls]),
        page.call_id,
        page.interrupted,
        page.recalled,
        page.num_tokens,
        page.created,
        page.checksum(),
    )


def _read(pid: int, row: Sequence[Any]) -> StoredPage:
    vpn, role, text, calls, call_id, interrupted, recalled, num_tokens, created, checksum = row[:10]
    try:
        page = Page(
            vpn=vpn,
            role=role,
            text=decompressed(text),
            num_tokens=num_tokens,
            created=created,
            calls=tuple(Call(*fields) for fields in json.loads(calls)),
            call_id=call_id,
            interrupted=bool(interrupted),
            recalled=bool(recalled),
        )
    except ValueError as error:
        raise SwapDamaged(f"page {vpn} of process {pid} cannot be read: {error}") from error
    if page.checksum() != checksum:
        raise SwapDamaged(f"page {vpn} of process {pid} does not match its checksum")
    limit_tokens, pinned, unwanted, evicted = row[10:]
    return StoredPage(page, limit_tokens, bool(pinned), bool(unwanted), evicted)
