"""Swap: where every page is, byte for byte, from the moment it exists.

SQLite holds the truth. This file makes statements and reads rows; the one connection belongs to
the kernel's journal, so that a page and the state change that brought it are one transaction.

A *frame* is the content of a page; a process's *page table* says which frame stands where, and
whether it is resident. A fork copies the table, not the frames. An exec begins a new *image*: the
old one stays readable.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from .draft import Draft
from .page import Call, Page

Statement = tuple[str, tuple[object, ...]]

SCHEMA = """
CREATE TABLE IF NOT EXISTS frame (
    id INTEGER PRIMARY KEY,
    vpn INTEGER NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    calls TEXT NOT NULL,
    call_id TEXT NOT NULL,
    interrupted INTEGER NOT NULL,
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
    resident INTEGER NOT NULL,
    PRIMARY KEY (pid, image, vpn)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS draft (
    pid INTEGER PRIMARY KEY,
    token_ids TEXT NOT NULL,
    text TEXT NOT NULL
);
"""


class SwapDamaged(Exception):
    """A page in swap is not what was written."""


def write_page(pid: int, image: int, page: Page, limit_tokens: int | None) -> list[Statement]:
    """A new, resident page. The statements belong together, in this order."""
    calls = json.dumps([[call.call_id, call.name, call.arguments] for call in page.calls])
    return [
        (
            "INSERT INTO frame (vpn, role, text, calls, call_id, interrupted, num_tokens, created,"
            " checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                page.vpn,
                page.role,
                page.text,
                calls,
                page.call_id,
                page.interrupted,
                page.num_tokens,
                page.created,
                page.checksum(),
            ),
        ),
        (
            "INSERT INTO page_table VALUES (?, ?, ?, last_insert_rowid(), ?, 1)",
            (pid, image, page.vpn, limit_tokens),
        ),
    ]


def share_pages(pid: int, image: int, child: int, num_pages: int) -> Statement:
    """The child's page table is a copy of the parent's first `num_pages`; the frames are shared.
    The parent may have more here than in memory: a page that is just being written."""
    return (
        "INSERT INTO page_table SELECT ?, 0, vpn, frame, limit_tokens, resident"
        " FROM page_table WHERE pid = ? AND image = ? AND vpn < ?",
        (child, pid, image, num_pages),
    )


def page_out(pid: int, image: int, pages: Iterable[Page]) -> Statement:
    """These pages are no longer resident."""
    vpns = [page.vpn for page in pages]
    marks = ", ".join("?" * len(vpns))
    return (
        f"UPDATE page_table SET resident = 0 WHERE pid = ? AND image = ? AND vpn IN ({marks})",
        (pid, image, *vpns),
    )


def read_pages(
    connection: sqlite3.Connection, pid: int, image: int
) -> list[tuple[Page, bool, int | None]]:
    """(page, resident, limit_tokens) of a process, oldest first. Raises SwapDamaged."""
    rows = connection.execute(
        "SELECT frame.vpn, role, text, calls, call_id, interrupted, num_tokens, limit_tokens,"
        " resident, created, checksum FROM page_table JOIN frame ON frame.id = page_table.frame"
        " WHERE pid = ? AND image = ? ORDER BY page_table.vpn",
        (pid, image),
    )
    return [_read(pid, row) for row in rows]


def write_draft(pid: int, draft: Draft) -> Statement:
    return (
        "INSERT OR REPLACE INTO draft VALUES (?, ?, ?)",
        (pid, json.dumps(draft.token_ids), draft.text),
    )


def delete_draft(pid: int) -> Statement:
    return ("DELETE FROM draft WHERE pid = ?", (pid,))


def read_drafts(connection: sqlite3.Connection) -> dict[int, Draft]:
    """All there are, by pid."""
    rows = connection.execute("SELECT pid, token_ids, text FROM draft")
    return {pid: Draft(tuple(json.loads(token_ids)), text) for pid, token_ids, text in rows}


def _read(pid: int, row: tuple[Any, ...]) -> tuple[Page, bool, int | None]:
    vpn, role, text, calls, call_id, interrupted, num_tokens, limit, resident, created, checksum = (
        row
    )
    page = Page(
        vpn=vpn,
        role=role,
        text=text,
        num_tokens=num_tokens,
        created=created,
        calls=tuple(Call(*fields) for fields in json.loads(calls)),
        call_id=call_id,
        interrupted=bool(interrupted),
    )
    if page.checksum() != checksum:
        raise SwapDamaged(f"page {vpn} of process {pid} does not match its checksum")
    return page, bool(resident), limit
