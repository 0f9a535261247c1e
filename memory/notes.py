"""Notes: what agents were asked to remember, one plain store for all of a user's processes.

FTS5 with porter stemming finds a note by any of the words of a query, the best match last, next
to where the answer will be written.
"""

from __future__ import annotations

import re
import sqlite3
import time

from .swap import Statement

SCHEMA = """
CREATE VIRTUAL TABLE IF NOT EXISTS note USING fts5(
    text, key UNINDEXED, created UNINDEXED, tokenize = 'porter unicode61'
);
"""

MAX_HITS = 10
_WORD = re.compile(r"\w+")
# Words that nearly every note and every question has: they find everything, so they find nothing.
_COMMON = frozenset(
    """a about am an and are as at be by did do does for from had has have i in is it its me my of
    on or say said so tell that the their them they this to was we were what when where which
    who will with you your""".split()
)


def write_note(text: str, key: str) -> Statement:
    """Keep a note. `key` names the call that brought it: the same call again adds nothing."""
    return (
        "INSERT INTO note (text, key, created) SELECT ?, ?, ?"
        " WHERE NOT EXISTS (SELECT 1 FROM note WHERE key = ?)",
        (text, key, time.time(), key),
    )


def find_notes(connection: sqlite3.Connection, query: str) -> list[str]:
    """Up to `MAX_HITS` notes that share a word with the query, the best match last; an empty
    query or `*` gives the newest ones."""
    words = _WORD.findall(query.lower())
    words = [word for word in words if word not in _COMMON] or words
    if not words:
        rows = connection.execute(
            "SELECT text FROM note ORDER BY rowid DESC LIMIT ?", (MAX_HITS,)
        ).fetchall()
    else:
        match = " OR ".join(f'"{word}"' for word in words)
        rows = connection.execute(
            "SELECT text FROM note WHERE note MATCH ? ORDER BY rank, rowid DESC LIMIT ?",
            (match, MAX_HITS),
        ).fetchall()
    return [text for (text,) in reversed(rows)]
