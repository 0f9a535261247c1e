"""Swap: where every page is, byte for byte, from the moment it exists.

SQLite holds the truth. This file makes statements and reads rows; the one connection belongs to
the kernel's journal, so that a page and the state change that brought it are one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from .page import Call, Page

Statement = tuple[str, tuple[object, ...]]

SCHEMA = """
CREATE TABLE IF NOT EXISTS page (
    pid INTEGER NOT NULL,
    vpn INTEGER NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    calls TEXT NOT NULL,
    call_id TEXT NOT NULL,
    interrupted INTEGER NOT NULL,
    num_tokens INTEGER NOT NULL,
    limit_tokens INTEGER,
    resident INTEGER NOT NULL,
    created REAL NOT NULL,
    checksum TEXT NOT NULL,
    PRIMARY KEY (pid, vpn)
) WITHOUT ROWID;
"""


class SwapDamaged(Exception):
    """A page in swap is not what was written."""


def write_page(pid: int, page: Page, limit_tokens: int | None) -> Statement:
    """A new, resident page."""
    calls = json.dumps([[call.call_id, call.name, call.arguments] for call in page.calls])
    return (
        "INSERT INTO page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
        (
            pid,
            page.vpn,
            page.role,
            page.text,
            calls,
            page.call_id,
            page.interrupted,
            page.num_tokens,
            limit_tokens,
            page.created,
            page.checksum(),
        ),
    )


def page_out(pid: int, pages: Iterable[Page]) -> Statement:
    """These pages are no longer resident."""
    vpns = [page.vpn for page in pages]
    marks = ", ".join("?" * len(vpns))
    return (f"UPDATE page SET resident = 0 WHERE pid = ? AND vpn IN ({marks})", (pid, *vpns))


def read_pages(connection: sqlite3.Connection, pid: int) -> list[tuple[Page, bool, int | None]]:
    """(page, resident, limit_tokens) of a process, oldest first. Raises SwapDamaged."""
    rows = connection.execute(
        "SELECT vpn, role, text, calls, call_id, interrupted, num_tokens, limit_tokens, resident,"
        " created, checksum FROM page WHERE pid = ? ORDER BY vpn",
        (pid,),
    )
    return [_read(pid, row) for row in rows]


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
