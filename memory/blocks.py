"""Blocks: the data segment of an address space, small named texts that the agent itself edits.

They stand in the prompt's head, where the model always sees them. An edit is on disk at once, and
the agent sees its result at the end of the prompt; the head follows when pages are evicted, because
a change there makes the engine compute the whole prompt anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

Statement = tuple[str, tuple[object, ...]]

MAX_BLOCKS = 16
MAX_NAME = 40
DEFAULT_LIMIT = 2000
"""Characters of one block."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS block (
    pid INTEGER NOT NULL,
    image INTEGER NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    limit_chars INTEGER NOT NULL,
    PRIMARY KEY (pid, image, name)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Block:
    """`limit` is the most characters that it may have."""

    name: str
    text: str
    limit: int = DEFAULT_LIMIT


def rendered(blocks: Iterable[Block]) -> str:
    """As the head shows them, by name."""
    return "\n".join(
        f"[{block.name}]\n{block.text}"
        for block in sorted(blocks, key=lambda block: block.name)
        if block.text
    )


def write_block(pid: int, image: int, block: Block) -> Statement:
    return (
        "INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?, ?)",
        (pid, image, block.name, block.text, block.limit),
    )


def delete_block(pid: int, image: int, name: str) -> Statement:
    return ("DELETE FROM block WHERE pid = ? AND image = ? AND name = ?", (pid, image, name))


def copy_blocks(pid: int, image: int, child: int) -> Statement:
    return (
        "INSERT INTO block SELECT ?, 0, name, text, limit_chars FROM block"
        " WHERE pid = ? AND image = ?",
        (child, pid, image),
    )


def read_blocks(connection: sqlite3.Connection, pid: int, image: int) -> list[Block]:
    rows = connection.execute(
        "SELECT name, text, limit_chars FROM block WHERE pid = ? AND image = ? ORDER BY name",
        (pid, image),
    )
    return [Block(*row) for row in rows]
