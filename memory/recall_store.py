"""What recall keeps in SQLite: the keys to pages, in tables `recall_*`.

As in swap, this file makes statements and reads rows; the connection belongs to the caller, so
that a page and its keys can be one transaction. A page has two kinds of keys: its terms, written
with it (`postings.py`), and its vectors, written when they have been computed. All else (the wide
keys, Chroma) is derived from these.

An *owner* is whose pages they are: a process, or a shared namespace. Owners share nothing here but
the vectors of single words.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from . import postings
from .embedding import Vectors
from .passages import passages
from .swap import Statement
from .terms import words

SCHEMA = (
    postings.SCHEMA
    + """
CREATE TABLE IF NOT EXISTS recall_page (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    page INTEGER NOT NULL,
    session INTEGER NOT NULL,
    created REAL NOT NULL,
    date TEXT NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    num_tokens INTEGER NOT NULL,
    num_terms INTEGER NOT NULL,
    num_date_terms INTEGER NOT NULL,
    asks INTEGER NOT NULL,
    UNIQUE (owner, page)
);
CREATE INDEX IF NOT EXISTS recall_page_owner ON recall_page (owner, id);
CREATE INDEX IF NOT EXISTS recall_page_created ON recall_page (owner, created);
CREATE TABLE IF NOT EXISTS recall_vector (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    passages INTEGER NOT NULL,
    vectors BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS recall_vector_owner ON recall_vector (owner, model, id, passages);
CREATE TABLE IF NOT EXISTS recall_word (
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    word TEXT NOT NULL,
    term TEXT NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (model, word)
);
CREATE TABLE IF NOT EXISTS recall_semantic (owner TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recall_outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    id INTEGER
);
"""
)

MAX_WORDS = 30_000
"""Words whose meaning is kept: 46 MB in memory. The common ones come first by themselves."""

COLUMNS = "id, page, session, num_tokens, created, num_terms, num_date_terms, asks"
"""Of `recall_page`, as a shelf takes them."""

_ASIDE = re.compile(r"\[[^\[\]]*\]")
_LAST = re.compile(r"([\w?\uff1f])[^\w?\uff1f]*\Z")
END = 1000

MAX_TEXT = 64_000
"""Characters of a page that are indexed. Nothing is lost by it: swap holds the page."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A page to be indexed. `page` is the caller's number for it, unique within the owner.

    `session` counts what belongs together (a conversation, a day): a page's neighbours are the ones
    before and after it in its session. `heading` says who speaks. `created` is in seconds since
    the epoch; `date` is how it is written for those who ask by date.
    """

    owner: str
    page: int
    text: str
    num_tokens: int
    created: float
    session: int = 0
    heading: str = ""
    date: str = ""

    @property
    def spoken(self) -> str:
        text = self.text[:MAX_TEXT].encode("utf-8", "replace").decode()
        return f"{self.heading}: {text}" if self.heading else text

    @property
    def dated(self) -> str:
        return self.date or written_date(self.created)


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A page whose vectors are still to be computed, and the texts that they are of."""

    id: int
    owner: str
    texts: tuple[str, ...]
    words: frozenset[str]


def written_date(created: float) -> str:
    """As in `14:05, Friday 8 May 2026`, in UTC."""
    when = datetime.fromtimestamp(created, UTC)
    return f"{when:%H:%M}, {when:%A} {when.day} {when:%B} {when.year}"


def write_entry(entry: Entry, text: Counter[str], date: Counter[str]) -> list[Statement]:
    """The page and its terms; `text` and `date` are the stems of `spoken` and `dated`. The same
    page again changes nothing. The statements belong together, in this order."""
    terms = [[term, text[term], int(term in date)] for term in text.keys() | date.keys()]
    return [
        (
            "INSERT OR IGNORE INTO recall_page (owner, page, session, created, date, heading, text,"
            " num_tokens, num_terms, num_date_terms, asks)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.owner,
                entry.page,
                entry.session,
                entry.created,
                entry.dated,
                entry.heading,
                entry.text[:MAX_TEXT].encode("utf-8", "replace").decode(),
                entry.num_tokens,
                text.total(),
                date.total(),
                int(asks(entry.text)),
            ),
        ),
        (
            "INSERT OR IGNORE INTO recall_term SELECT ?, value ->> 0, recall_page.id,"
            " value ->> 1, value ->> 2 FROM json_each(?)"
            " JOIN recall_page ON owner = ? AND page = ?",
            (entry.owner, json.dumps(terms), entry.owner, entry.page),
        ),
    ]


def asks(text: str) -> bool:
    """Does it end with a question? What stands behind it in brackets (a photo, a source) does not
    count."""
    found = _LAST.search(_ASIDE.sub("", text[-END:]))
    return found is not None and found[1] in "?\uff1f"


def unembedded(
    connection: sqlite3.Connection, model: str, limit: int, after: int = 0
) -> list[Unembedded]:
    """Pages behind row `after` without vectors of the model, the oldest first."""
    rows = connection.execute(
        "SELECT page.id, page.owner, date, heading, text FROM recall_page AS page"
        " LEFT JOIN recall_vector AS vector ON vector.id = page.id AND vector.model = ?"
        " WHERE vector.id IS NULL AND page.id > ? ORDER BY page.id LIMIT ?",
        (model, after, limit),
    ).fetchall()
    found = []
    for number, owner, date, heading, text in rows:
        head = f"{heading}: " if heading else ""
        narrow = [head + passage for passage in passages(text)]
        texts = (f"({date}) {head}{text}", *narrow)
        found.append(Unembedded(number, owner, texts, frozenset(words(text))))
    return found


def last_row(
    connection: sqlite3.Connection, owner: str | None = None, before: int | None = None
) -> int:
    """Of all pages, or of an owner's, or of those with a number below `before`: rows are in the
    order of the numbers."""
    parameters: tuple[object, ...] = ()
    if owner is None:
        query = "SELECT max(id) FROM recall_page"
    elif before is None:
        query, parameters = "SELECT max(id) FROM recall_page WHERE owner = ?", (owner,)
    else:
        query = "SELECT id FROM recall_page WHERE owner = ? AND page < ? ORDER BY page DESC LIMIT 1"
        parameters = (owner, before)
    row = connection.execute(query, parameters).fetchone()
    return int(row[0] or 0) if row else 0


def rows_within(
    connection: sqlite3.Connection, owner: str, start: float, end: float
) -> tuple[int, int]:
    """The first and the last row of an owner's pages of that time; (0, 0) when there are none."""
    first, last = connection.execute(
        "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM recall_page"
        " WHERE owner = ? AND created >= ? AND created < ?",
        (owner, start, end),
    ).fetchone()
    return int(first), int(last)


def count_rows(connection: sqlite3.Connection, after: int) -> int:
    """Pages of all owners behind a row."""
    query = "SELECT count(*) FROM recall_page WHERE id > ?"
    return int(connection.execute(query, (after,)).fetchone()[0])


def count_unembedded(connection: sqlite3.Connection, model: str, after: int) -> int:
    """Pages behind a row that have no vectors of the model."""
    (count,) = connection.execute(
        "SELECT count(*) FROM recall_page AS page LEFT JOIN recall_vector AS vector"
        " ON vector.id = page.id AND model = ? WHERE page.id > ? AND vector.id IS NULL",
        (model, after),
    ).fetchone()
    return int(count)


def count_passages(connection: sqlite3.Connection, owner: str, model: str) -> int:
    (count,) = connection.execute(
        "SELECT coalesce(sum(passages), 0) FROM recall_vector WHERE owner = ? AND model = ?",
        (owner, model),
    ).fetchone()
    return int(count)


def owners(connection: sqlite3.Connection) -> list[str]:
    """All there are, from one to the next in the index: not by way of every page."""
    rows = connection.execute(
        "WITH RECURSIVE one (owner) AS (SELECT min(owner) FROM recall_page UNION ALL"
        " SELECT (SELECT min(owner) FROM recall_page WHERE owner > one.owner) FROM one"
        " WHERE one.owner IS NOT NULL) SELECT owner FROM one WHERE owner IS NOT NULL"
    )
    return [owner for (owner,) in rows]


def in_semantic_index(connection: sqlite3.Connection, owner: str) -> bool:
    query = "SELECT 1 FROM recall_semantic WHERE owner = ?"
    return connection.execute(query, (owner,)).fetchone() is not None


def unknown_words(
    connection: sqlite3.Connection, model: str, candidates: Iterable[str]
) -> list[str]:
    """Those that have no vector of the model yet; none once there are `MAX_WORDS`."""
    count = "SELECT count(*) FROM recall_word WHERE model = ?"
    if connection.execute(count, (model,)).fetchone()[0] >= MAX_WORDS:
        return []
    known = connection.execute(
        "SELECT value FROM json_each(?) WHERE value NOT IN"
        " (SELECT word FROM recall_word WHERE model = ?)",
        (json.dumps(sorted(candidates)), model),
    )
    return [word for (word,) in known]


def write_vectors(page: Unembedded, model: str, vectors: Vectors) -> list[Statement]:
    """The first row is of the whole page, the others of its passages."""
    return [
        (
            "INSERT OR REPLACE INTO recall_vector SELECT id, owner, ?, ?, ? FROM recall_page"
            " WHERE id = ?",
            (model, len(vectors) - 1, pack(vectors), page.id),
        ),
        (
            "INSERT INTO recall_outbox (owner, id) SELECT owner, ? FROM recall_semantic"
            " WHERE owner = ?",
            (page.id, page.owner),
        ),
    ]


def write_words(
    model: str, found: Sequence[str], terms: Sequence[str], vectors: Vectors
) -> list[Statement]:
    """Single words, their stems and their vectors."""
    return [
        (
            "INSERT OR IGNORE INTO recall_word (model, word, term, vector) VALUES (?, ?, ?, ?)",
            (model, word, term, pack(vector)),
        )
        for word, term, vector in zip(found, terms, vectors, strict=True)
    ]


def use_semantic_index(owner: str) -> list[Statement]:
    """From now on the owner's vectors are in Chroma, too; those there are go into the outbox."""
    return [
        ("INSERT OR IGNORE INTO recall_semantic VALUES (?)", (owner,)),
        (
            "INSERT INTO recall_outbox (owner, id) SELECT owner, id FROM recall_vector"
            " WHERE owner = ?",
            (owner,),
        ),
    ]


def forget(owner: str) -> list[Statement]:
    """Every key to the owner's pages goes."""
    return [
        ("DELETE FROM recall_term WHERE owner = ?", (owner,)),
        ("DELETE FROM recall_segment WHERE owner = ?", (owner,)),
        ("DELETE FROM recall_sealed WHERE owner = ?", (owner,)),
        ("DELETE FROM recall_vector WHERE owner = ?", (owner,)),
        ("DELETE FROM recall_page WHERE owner = ?", (owner,)),
        ("DELETE FROM recall_outbox WHERE owner = ?", (owner,)),
        (
            "INSERT INTO recall_outbox (owner) SELECT owner FROM recall_semantic WHERE owner = ?",
            (owner,),
        ),
        ("DELETE FROM recall_semantic WHERE owner = ?", (owner,)),
    ]


def read_entry(connection: sqlite3.Connection, owner: str, page: int) -> Entry | None:
    """A page as it was indexed, if it is."""
    row = connection.execute(
        "SELECT owner, page, text, num_tokens, created, session, heading, date FROM recall_page"
        " WHERE owner = ? AND page = ?",
        (owner, page),
    ).fetchone()
    return Entry(*row) if row else None


def row_of(connection: sqlite3.Connection, owner: str, page: int) -> int:
    """Of a page that is indexed."""
    query = "SELECT id FROM recall_page WHERE owner = ? AND page = ?"
    return int(connection.execute(query, (owner, page)).fetchone()[0])


def forget_page(owner: str, page: int, terms: Iterable[str]) -> list[Statement]:
    """Every key to one page goes; `terms` are the stems that it was written with: to look for them
    would be to read all that the owner has."""
    found = "(SELECT id FROM recall_page WHERE owner = ? AND page = ?)"
    return [
        (
            "DELETE FROM recall_term WHERE owner = ?"
            f" AND term IN (SELECT value FROM json_each(?)) AND id = {found}",
            (owner, json.dumps(list(terms)), owner, page),
        ),
        (f"DELETE FROM recall_vector WHERE id = {found}", (owner, page)),
        (
            "INSERT INTO recall_outbox (owner, id) SELECT owner, id FROM recall_page"
            " JOIN recall_semantic USING (owner) WHERE owner = ? AND page = ?",
            (owner, page),
        ),
        ("DELETE FROM recall_page WHERE owner = ? AND page = ?", (owner, page)),
    ]


def pack(vectors: Vectors) -> bytes:
    """Half precision: it moves a cosine by less than 0.001, and halves what is kept."""
    return vectors.astype("<f2").tobytes()


def unpack(content: bytes, dim: int) -> Vectors:
    return np.frombuffer(content, "<f2").reshape(-1, dim).astype(np.float32)
