"""Postings: for each term the pages that have it, in two tables.

What has come lately is a row for each term of each page. As soon as an owner has `SEGMENT` such
pages they are sealed into segments: one row a term, holding all its pages as an array. A frequent
word of a large owner is so read in a dozen rows, not in a hundred thousand, and takes 6 bytes a
page, not 25.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable
from operator import itemgetter

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

SEGMENT = 8192
"""Pages. To seal them takes most of a second, which a question may have to wait for."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS recall_term (
    owner TEXT NOT NULL,
    term TEXT NOT NULL,
    id INTEGER NOT NULL,
    in_text INTEGER NOT NULL,
    in_date INTEGER NOT NULL,
    PRIMARY KEY (owner, term, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recall_segment (
    owner TEXT NOT NULL,
    term TEXT NOT NULL,
    last INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (owner, term, last)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recall_sealed (
    owner TEXT PRIMARY KEY,
    last INTEGER NOT NULL,
    pages INTEGER NOT NULL
) WITHOUT ROWID;
"""

_PACKED = np.dtype([("before_last", "<u4"), ("counts", "<u2")])
_MOST = (1 << 15) - 1


def read(connection: sqlite3.Connection, owner: str, term: str, after: int = 0) -> Ints:
    """(row of the page, how often in its text, whether in its date) of the pages behind row
    `after` that have the term, the oldest first."""
    segments = connection.execute(
        "SELECT last, content FROM recall_segment WHERE owner = ? AND term = ? AND last > ?"
        " ORDER BY last",
        (owner, term, after),
    ).fetchall()
    rows = connection.execute(
        "SELECT id, in_text, in_date FROM recall_term WHERE owner = ? AND term = ? AND id > ?",
        (owner, term, after),
    ).fetchall()
    recent = np.array(rows, np.int64).reshape(-1, 3)
    if not segments:
        return recent
    packed = np.frombuffer(b"".join(content for _, content in segments), _PACKED)
    lasts = [last for last, _ in segments]
    sizes = [len(content) // _PACKED.itemsize for _, content in segments]
    found = np.empty((len(packed) + len(recent), 3), np.int64)
    sealed = found[: len(packed)]
    sealed[:, 0] = np.repeat(lasts, sizes) - packed["before_last"]
    sealed[:, 1], sealed[:, 2] = packed["counts"] >> 1, packed["counts"] & 1
    found[len(packed) :] = recent
    return found[np.searchsorted(found[:, 0], after, side="right") :]


def count_pages(connection: sqlite3.Connection, owner: str, last: int | None = None) -> int:
    """Of an owner, up to row `last`. Counted are only those that are not sealed."""
    sealed, pages = connection.execute(
        "SELECT coalesce(max(last), 0), coalesce(max(pages), 0) FROM recall_sealed WHERE owner = ?",
        (owner,),
    ).fetchone()
    if last is not None and last < sealed:
        sealed = pages = 0
    (more,) = connection.execute(
        "SELECT count(*) FROM recall_page WHERE owner = ? AND id > ? AND id <= coalesce(?, id)",
        (owner, sealed, last),
    ).fetchone()
    return int(pages + more)


def seal(connection: sqlite3.Connection, owner: str, least: int = SEGMENT) -> bool:
    """Put what is in rows into segments, if it is of `least` pages or more; was it? Belongs into
    a transaction."""
    count, last = connection.execute(
        "SELECT count(*), max(id) FROM recall_page WHERE owner = ? AND id >"
        " coalesce((SELECT last FROM recall_sealed WHERE owner = ?), 0)",
        (owner, owner),
    ).fetchone()
    if count < least:
        return False
    rows = connection.execute(
        "SELECT term, id, in_text, in_date FROM recall_term WHERE owner = ? ORDER BY term, id",
        (owner,),
    ).fetchall()
    connection.executemany(
        "INSERT INTO recall_segment VALUES (?, ?, ?, ?)",
        (
            (owner, term, last, _packed(last, [row[1:] for row in of_term]))
            for term, of_term in itertools.groupby(rows, itemgetter(0))
        ),
    )
    connection.execute("DELETE FROM recall_term WHERE owner = ?", (owner,))
    connection.execute(
        "INSERT INTO recall_sealed VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET last = excluded.last, pages = pages + excluded.pages",
        (owner, last, count),
    )
    return True


def forget(connection: sqlite3.Connection, owner: str, row: int, terms: Iterable[str]) -> None:
    """Take a page out of the segments; `terms` are those that it was written with. Belongs into a
    transaction."""
    sealed = connection.execute(
        "UPDATE recall_sealed SET pages = pages - 1 WHERE owner = ? AND last >= ?", (owner, row)
    ).rowcount
    for term in terms if sealed else ():
        found = connection.execute(
            "SELECT last, content FROM recall_segment WHERE owner = ? AND term = ? AND last >= ?"
            " ORDER BY last LIMIT 1",
            (owner, term, row),
        ).fetchone()
        if found is not None:
            last, content = found
            packed = np.frombuffer(content, _PACKED)
            left = packed[packed["before_last"] != last - row].tobytes()
            connection.execute(
                "UPDATE recall_segment SET content = ? WHERE owner = ? AND term = ? AND last = ?",
                (left, owner, term, last),
            )


def _packed(last: int, rows: list[tuple[int, int, int]]) -> bytes:
    found = np.array(rows, np.int64)
    packed = np.empty(len(rows), _PACKED)
    packed["before_last"] = last - found[:, 0]
    packed["counts"] = np.minimum(found[:, 1], _MOST) << 1 | found[:, 2]
    return packed.tobytes()
