"""What turns have cost: how much a process had used when each of its turns began.

A turn's share is the difference to the next one's. It is written with the message that begins the
turn, in the same transaction.
"""

from __future__ import annotations

import sqlite3

from ..memory.page import Page
from ..memory.swap import Statement
from .process import Accounting, Process

SCHEMA = """
CREATE TABLE IF NOT EXISTS turn (
    pid INTEGER NOT NULL,
    image INTEGER NOT NULL,
    vpn INTEGER NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    PRIMARY KEY (pid, image, vpn)
) WITHOUT ROWID;
"""


def begin(process: Process, page: Page) -> Statement:
    """The turn that this page, a message, begins."""
    used = process.accounting
    return (
        "INSERT OR REPLACE INTO turn VALUES (?, ?, ?, ?, ?, ?)",
        (
            process.pid,
            process.image,
            page.vpn,
            used.tokens_in,
            used.tokens_cached,
            used.tokens_out,
        ),
    )


def used_at(connection: sqlite3.Connection, pid: int) -> dict[tuple[int, int], Accounting]:
    """What a process had used when each turn began, by image and number of its first page."""
    rows = connection.execute(
        "SELECT image, vpn, tokens_in, tokens_cached, tokens_out FROM turn"
        " WHERE pid = ? ORDER BY image, vpn",
        (pid,),
    )
    return {(image, vpn): Accounting(*used) for image, vpn, *used in rows}
