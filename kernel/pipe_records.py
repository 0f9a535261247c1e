"""What of pipes stands in the journal: their text, the ends that processes hold, and what those
have collected that read to the end before they begin."""

from __future__ import annotations

import sqlite3

from ..memory.swap import Statement
from .pipe import Chunk, End, Pipe, Taken

SCHEMA = """
CREATE TABLE IF NOT EXISTS pipe (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the last one is remembered when its row has gone
    capacity INTEGER NOT NULL,
    fed INTEGER NOT NULL  -- by a client that has not said that this was all
);
CREATE TABLE IF NOT EXISTS pipe_end (
    pid INTEGER NOT NULL,
    fd TEXT NOT NULL,
    pipe INTEGER NOT NULL,
    PRIMARY KEY (pid, fd)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pipe_chunk (
    pipe INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (pipe, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS collected (
    id INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    text TEXT NOT NULL
);
"""


def insert_pipe(pipe: Pipe, *, fed: bool) -> Statement:
    return ("INSERT INTO pipe VALUES (?, ?, ?)", (pipe.id, pipe.capacity, fed))


def fed_whole(pipe: Pipe) -> Statement:
    return ("UPDATE pipe SET fed = 0 WHERE id = ?", (pipe.id,))


def delete_pipe(pipe_id: int) -> list[Statement]:
    return [
        ("DELETE FROM pipe WHERE id = ?", (pipe_id,)),
        ("DELETE FROM pipe_chunk WHERE pipe = ?", (pipe_id,)),
    ]


def insert_end(pid: int, end: End, pipe: Pipe) -> Statement:
    return ("INSERT INTO pipe_end VALUES (?, ?, ?)", (pid, end.value, pipe.id))


def delete_end(pid: int, end: End) -> Statement:
    return ("DELETE FROM pipe_end WHERE pid = ? AND fd = ?", (pid, end.value))


def delete_ends(pid: int) -> list[Statement]:
    return [("DELETE FROM pipe_end WHERE pid = ?", (pid,)), delete_collected(pid)]


def delete_ends_for_reading(pid: int) -> list[Statement]:
    return [delete_end(pid, End.READ), delete_collected(pid)]


def insert_chunk(pipe: Pipe, chunk: Chunk) -> Statement:
    return ("INSERT INTO pipe_chunk VALUES (?, ?, ?)", (pipe.id, chunk.seq, chunk.text))


def take(pipe: Pipe, taken: Taken) -> list[Statement]:
    if taken.rest is None:
        return [("DELETE FROM pipe_chunk WHERE pipe = ? AND seq <= ?", (pipe.id, taken.last))]
    return [
        ("DELETE FROM pipe_chunk WHERE pipe = ? AND seq < ?", (pipe.id, taken.last)),
        (
            "UPDATE pipe_chunk SET text = ? WHERE pipe = ? AND seq = ?",
            (taken.rest.text, pipe.id, taken.last),
        ),
    ]


def collect(pid: int, text: str) -> Statement:
    return ("INSERT INTO collected (pid, text) VALUES (?, ?)", (pid, text))


def delete_collected(pid: int) -> Statement:
    return ("DELETE FROM collected WHERE pid = ?", (pid,))


def read_pipes(connection: sqlite3.Connection) -> list[Pipe]:
    """All of them with their text; without their ends."""
    pipes: dict[int, Pipe] = {}
    for pipe_id, capacity, fed in connection.execute("SELECT id, capacity, fed FROM pipe"):
        pipes[pipe_id] = Pipe(pipe_id, capacity)
        pipes[pipe_id].cut = bool(fed)  # the clients of earlier days are gone
    rows = connection.execute("SELECT pipe, seq, text FROM pipe_chunk ORDER BY pipe, seq")
    for pipe_id, seq, text in rows:
        pipes[pipe_id].put(Chunk(seq, text))
    return list(pipes.values())


def read_last_id(connection: sqlite3.Connection) -> int:
    """Of all pipes that there ever were; 0 if there was none."""
    (last,) = connection.execute(
        "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'pipe'"
    ).fetchone()
    return int(last)


def read_ends(connection: sqlite3.Connection) -> list[tuple[int, End, int]]:
    """(pid, end, pipe)."""
    rows = connection.execute("SELECT pid, fd, pipe FROM pipe_end")
    return [(pid, End(fd), pipe) for pid, fd, pipe in rows]


def read_collected(connection: sqlite3.Connection) -> dict[int, str]:
    """By pid."""
    texts: dict[int, str] = {}
    for pid, text in connection.execute("SELECT pid, text FROM collected ORDER BY id"):
        texts[pid] = texts.get(pid, "") + text
    return texts
