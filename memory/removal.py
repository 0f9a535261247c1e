"""Removal: the pages of a process that is over leave swap for good.

A frame goes with the last page table that has it, so what a fork shares stays. Indexes of frames
know by their numbers how far they have come, and no number may come twice: where the newest frame
goes, an empty one stays in its place until the next removal.
"""

from __future__ import annotations

import sqlite3

from .swap import NOBODY

_SPACE = ("page_table", "address_space", "block", "flush", "draft")


def remove_pages(connection: sqlite3.Connection, pid: int) -> list[int]:
    """All images of a process; the frames that are gone with it."""
    connection.execute("PRAGMA secure_delete = ON")  # whoever removes it wants it gone
    rows = connection.execute(
        "SELECT DISTINCT frame FROM page_table AS own WHERE pid = ? AND NOT EXISTS"
        " (SELECT 1 FROM page_table AS other WHERE other.frame = own.frame AND other.pid != ?)",
        (pid, pid),
    )
    frames = [frame for (frame,) in rows]
    for table in _SPACE:
        connection.execute(f"DELETE FROM {table} WHERE pid = ?", (pid,))
    (newest,) = connection.execute("SELECT max(id) FROM frame").fetchone()
    connection.execute("DELETE FROM frame WHERE owner = ? AND id < ?", (NOBODY, newest))
    for frame in frames:
        connection.execute(
            "INSERT INTO forgotten (owner, vpn) SELECT owner, vpn FROM frame WHERE id = ?",
            (frame,),
        )
        if frame == newest:
            connection.execute(
                "UPDATE frame SET owner = ?, text = '', calls = '[]', call_id = '' WHERE id = ?",
                (NOBODY, frame),
            )
        else:
            connection.execute("DELETE FROM frame WHERE id = ?", (frame,))
    connection.execute("PRAGMA secure_delete = OFF")
    return frames
