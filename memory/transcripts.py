"""Transcripts: all that was ever said, by its words, for the user of the kernel who owns all of it.

An index of SQLite's FTS5 over the frames in swap, in a database of its own. Recall finds what an
agent means among its own pages; this finds the words that somebody remembers, in whatever
conversation, with the place in the text. It is derived: behind, it catches up before it is asked;
deleted, damaged, or of another journal, it is made anew.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import feed
from .library import destroy

log = logging.getLogger(__name__)

VERSION = "1"
AT_ONCE = 512
MAX_TEXT = 256_000
"""Characters of a page that are indexed. Nothing is lost by it: swap holds the page."""
MAX_PIECES = 64
"""Of a query."""
AROUND = 24
"""Words of an excerpt."""
BEGIN, END = "\x02", "\x03"
_MARKS = str.maketrans("", "", f"\0{BEGIN}{END}")
_PIECE = re.compile(r'"([^"]*)"?|(\S+)')

SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS said (
    frame INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    vpn INTEGER NOT NULL,
    role TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS said_owner ON said (owner, vpn);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
    text, tokenize = 'porter unicode61 remove_diacritics 2'
);
"""


class NoWords(ValueError):
    """A query in which there is no word."""


@dataclass(frozen=True, slots=True)
class Sought:
    """`match` is what FTS5 takes. `roles` empty: any. Times in Unix seconds."""

    match: str
    roles: tuple[str, ...] = ()
    since: float = float("-inf")
    before: float = float("inf")
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What stands around the words that were sought, which are at `matches`, (start, end) each."""

    text: str
    matches: tuple[tuple[int, int], ...]


def match_of(query: str) -> str:
    """A query as people write it, as FTS5 takes it: all of its words, in any order; those in
    quotation marks next to each other; `word*` for all that begin so. Nothing in it is an operator
    of FTS5. Raises NoWords."""
    query = query.encode("utf-8", "replace").decode().translate(_MARKS)
    pieces = []
    for phrase, word in _PIECE.findall(query):
        text = phrase or word.replace('"', " ")
        if any(character.isalnum() for character in text):
            pieces.append(f'"{text}"' + (" *" if word.endswith("*") else ""))
    if not pieces:
        raise NoWords(f"there is no word in {query!r}")
    return " ".join(pieces[:MAX_PIECES])


class Transcripts:
    """Over one journal; within `opened`. Belongs to one thread."""

    def __init__(self, connection: sqlite3.Connection, source: sqlite3.Connection) -> None:
        self._connection = connection
        self._source = source

    def catch_up(self) -> None:
        """Take up what has come and gone."""
        while self._catch_up_some():
            pass

    def _catch_up_some(self) -> bool:
        connection = self._connection
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # another thread may do the same
            # What has gone is read first: what it names is then among what has been indexed.
            gone, lost = feed.forgotten_after(self._source, self._noted("gone"), AT_ONCE)
            last, frames = feed.frames_after(self._source, self._noted("frame"), AT_ONCE)
            for number, entry in frames:
                connection.execute(
                    "INSERT INTO said VALUES (?, ?, ?, ?, ?)",
                    (number, entry.owner, entry.page, entry.heading, entry.created),
                )
                text = entry.text[:MAX_TEXT].encode("utf-8", "replace").decode().translate(_MARKS)
                connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, text))
            more = last != self._noted("frame")
            self._note("frame", last)
            if not more:
                more = gone != self._noted("gone")
                self._drop(lost)
                self._note("gone", gone)
        return more

    def _drop(self, pages: Sequence[tuple[str, int]]) -> None:
        for owner, vpn in pages:
            row = self._connection.execute(
                "SELECT frame FROM said WHERE owner = ? AND vpn = ?", (owner, vpn)
            ).fetchone()
            if row is not None:
                self._connection.execute("DELETE FROM words WHERE rowid = ?", row)
                self._connection.execute("DELETE FROM said WHERE frame = ?", row)

    def frames(self, sought: Sought) -> Iterator[int]:
        """Of the pages that have the words, the best or the newest first."""
        roles = f" AND role IN ({', '.join('?' * len(sought.roles))})" if sought.roles else ""
        order = "created DESC, frame DESC" if sought.newest_first else "rank, frame DESC"
        rows = self._connection.execute(
            "SELECT frame FROM words JOIN said ON said.frame = words.rowid"
            f" WHERE words MATCH ? AND created >= ? AND created < ?{roles} ORDER BY {order}",
            (sought.match, sought.since, sought.before, *sought.roles),
        )
        return (frame for (frame,) in rows)

    def excerpt(self, frame: int, match: str) -> Excerpt:
        """Of a page that has the words."""
        (marked,) = self._connection.execute(
            "SELECT snippet(words, 0, ?, ?, '…', ?) FROM words WHERE words MATCH ? AND rowid = ?",
            (BEGIN, END, AROUND, match, frame),
        ).fetchone()
        parts: list[str] = []
        matches: list[tuple[int, int]] = []
        end = 0
        for index, part in enumerate(re.split(f"[{BEGIN}{END}]", " ".join(marked.split()))):
            parts.append(part)
            if index % 2:
                matches.append((end, end + len(part)))
            end += len(part)
        return Excerpt("".join(parts), tuple(matches))

    def _noted(self, key: str) -> int:
        row = self._connection.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def _note(self, key: str, number: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, str(number)))


@contextmanager
def opened(journal: Path, database: Path) -> Iterator[Transcripts]:
    """The index as it is, or a new one where there is none, or none of use."""
    source = feed.open_source(journal)
    try:
        connection = _open(database, source)
        try:
            yield Transcripts(connection, source)
        finally:
            connection.close()
    finally:
        source.close()


def _open(database: Path, source: sqlite3.Connection) -> sqlite3.Connection:
    identity = f"{VERSION} {feed.source_id(source)}"
    try:
        connection = sqlite3.connect(database, isolation_level=None, timeout=30.0)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.executescript(SCHEMA)
        connection.execute("INSERT OR IGNORE INTO about VALUES ('identity', ?)", (identity,))
        about = dict(connection.execute("SELECT key, value FROM about"))
        if about["identity"] == identity and int(about.get("frame", 0)) <= feed.last_frame(source):
            database.chmod(0o600)
            return connection
        log.warning("%s is of another journal or version and is made anew", database)
        connection.close()
    except sqlite3.OperationalError:  # a full disk, a lock: no fault of the index
        raise
    except sqlite3.DatabaseError as error:
        log.warning("%s is damaged and is made anew: %s", database, error)
    destroy(database)
    return _open(database, source)
