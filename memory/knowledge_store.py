"""What the knowledge base keeps in SQLite: namespaces of documents, and the passages they are of.

As in swap, this file makes statements and reads rows. A passage that several documents of a
namespace have is there once; a *place* says where in a document it stands. A document's places are
written under the number of an *upload*: a new version stands beside the old one until it is whole,
and what was cut off is begun again and finds its passages there.

A passage is a page of recall under the owner `kb:NAMESPACE`; its number never comes again. Recall
follows these tables by itself (`feed.py`), and reads in `kb_removal` what it has to forget.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from .swap import Statement

SCHEMA = """
CREATE TABLE IF NOT EXISTS kb_namespace (
    name TEXT PRIMARY KEY,
    owner INTEGER NOT NULL,
    session INTEGER NOT NULL,
    pgid INTEGER NOT NULL,
    readers TEXT NOT NULL,
    writers TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kb_document (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    source TEXT NOT NULL,
    unit TEXT NOT NULL DEFAULT 'line',
    size INTEGER NOT NULL DEFAULT 0,
    mtime_ns INTEGER NOT NULL DEFAULT 0,
    digest TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL DEFAULT 0,
    UNIQUE (namespace, source)
);
CREATE INDEX IF NOT EXISTS kb_document_digest ON kb_document (namespace, digest);
CREATE TABLE IF NOT EXISTS kb_upload (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS kb_passage (
    page INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    digest TEXT NOT NULL,
    document INTEGER NOT NULL,
    created REAL NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (namespace, digest)
);
CREATE TABLE IF NOT EXISTS kb_removal (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    page INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS kb_place (
    document INTEGER NOT NULL,
    upload INTEGER NOT NULL,
    position INTEGER NOT NULL,
    page INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (document, upload, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kb_place_page ON kb_place (page);
"""


@dataclass(frozen=True, slots=True)
class Namespace:
    """`owner` made it, in that session and group; readers and writers are as of shared pages."""

    name: str
    owner: int
    session: int
    group: int
    readers: str = "all"
    writers: str = "owner"


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was when it was read: its absolute path, size in bytes, time of its last change,
    the SHA-256 of its bytes, and what its passages are cited by, line or page."""

    path: str
    size: int
    mtime_ns: int
    digest: str
    unit: str = "line"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A passage as it is written: `heading` is where in the document it stands."""

    heading: str
    text: str
    first: int
    last: int

    @property
    def digest(self) -> str:
        """By which the same passage of another document is known; the documents' names do not
        count."""
        return hashlib.sha256(f"{self.heading}\0{self.text}".encode()).hexdigest()


def owner_of(namespace: str) -> str:
    """As recall knows it."""
    return f"kb:{namespace}"


# ---- namespaces -------------------------------------------------------------------------------


def write_namespace(namespace: Namespace) -> Statement:
    return (
        "INSERT OR REPLACE INTO kb_namespace VALUES (?, ?, ?, ?, ?, ?)",
        (
            namespace.name,
            namespace.owner,
            namespace.session,
            namespace.group,
            namespace.readers,
            namespace.writers,
        ),
    )


def delete_namespace(name: str) -> Statement:
    return ("DELETE FROM kb_namespace WHERE name = ?", (name,))


def read_namespaces(connection: sqlite3.Connection) -> list[Namespace]:
    rows = connection.execute(
        "SELECT name, owner, session, pgid, readers, writers FROM kb_namespace ORDER BY name"
    )
    return [Namespace(*row) for row in rows]


# ---- an upload --------------------------------------------------------------------------------


def begin(connection: sqlite3.Connection, namespace: str, path: str) -> int:
    """The number of a new upload of the document; one that was under way has ended."""
    connection.execute(
        "INSERT OR IGNORE INTO kb_document (namespace, source) VALUES (?, ?)", (namespace, path)
    )
    document = _document(connection, namespace, path)
    connection.execute("DELETE FROM kb_upload WHERE document = ?", (document,))
    upload = connection.execute("INSERT INTO kb_upload (document) VALUES (?)", (document,))
    assert upload.lastrowid is not None
    return upload.lastrowid


def document_of(connection: sqlite3.Connection, upload: int) -> tuple[int, str, str] | None:
    """(id, namespace, path) of the document that is being uploaded, if it still is."""
    row: tuple[int, str, str] | None = connection.execute(
        "SELECT kb_document.id, namespace, source FROM kb_upload"
        " JOIN kb_document ON kb_document.id = document WHERE kb_upload.id = ?",
        (upload,),
    ).fetchone()
    return row


def write_excerpt(
    namespace: str, source: Source, document: int, upload: int, position: int, excerpt: Excerpt
) -> list[Statement]:
    """The passage, unless the namespace has it, and its place."""
    name = PurePath(source.path).name
    heading = f"{name} > {excerpt.heading}" if excerpt.heading else name
    digest = excerpt.digest
    return [
        (
            "INSERT INTO kb_passage (namespace, digest, document, created, heading, text)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (namespace, digest) DO NOTHING",
            (namespace, digest, document, source.mtime_ns / 1e9, heading, excerpt.text),
        ),
        (
            "INSERT OR REPLACE INTO kb_place SELECT ?, ?, ?, page, ?, ? FROM kb_passage"
            " WHERE namespace = ? AND digest = ?",
            (document, upload, position, excerpt.first, excerpt.last, namespace, digest),
        ),
    ]


def finish(document: int, upload: int, source: Source) -> list[Statement]:
    """From now on the document is whole, and this."""
    return [
        (
            "UPDATE kb_document SET unit = ?, size = ?, mtime_ns = ?, digest = ?, version = ?"
            " WHERE id = ?",
            (source.unit, source.size, source.mtime_ns, source.digest, upload, document),
        ),
        ("DELETE FROM kb_upload WHERE document = ?", (document,)),
    ]


def copy_places(document: int, upload: int, twin: int, version: int) -> Statement:
    """The passages of a document that has the very same content."""
    return (
        "INSERT INTO kb_place SELECT ?, ?, position, page, first, last FROM kb_place"
        " WHERE document = ? AND upload = ?",
        (document, upload, twin, version),
    )


def twin(
    connection: sqlite3.Connection, namespace: str, source: Source
) -> tuple[int, str, int, str] | None:
    """(id, path, version, unit) of a whole document with the same content, itself before others."""
    row: tuple[int, str, int, str] | None = connection.execute(
        "SELECT id, source, version, unit FROM kb_document WHERE namespace = ? AND digest = ?"
        " AND version > 0 ORDER BY source = ? DESC LIMIT 1",
        (namespace, source.digest, source.path),
    ).fetchone()
    return row


def touch(document: int, source: Source) -> Statement:
    """Its content is the same, its time is not."""
    return (
        "UPDATE kb_document SET size = ?, mtime_ns = ? WHERE id = ?",
        (source.size, source.mtime_ns, document),
    )


# ---- removal ----------------------------------------------------------------------------------


def stale_places(
    connection: sqlite3.Connection, document: int, keep: int | None, limit: int
) -> list[tuple[int, int, int]]:
    """(upload, position, page) of up to `limit` places that are not of the upload to be kept."""
    return connection.execute(
        "SELECT upload, position, page FROM kb_place WHERE document = ? AND upload IS NOT ?"
        " LIMIT ?",
        (document, keep, limit),
    ).fetchall()


def delete_places(document: int, places: Iterable[tuple[int, int, int]]) -> list[Statement]:
    return [
        (
            "DELETE FROM kb_place WHERE document = ? AND upload = ? AND position = ?",
            (document, upload, position),
        )
        for upload, position, _ in places
    ]


def orphans(
    connection: sqlite3.Connection, document: int, places: Sequence[tuple[int, int, int]]
) -> list[int]:
    """Pages that no document has any more when these places are gone."""
    gone = [[upload, position] for upload, position, _ in places]
    rows = connection.execute(
        "SELECT DISTINCT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM kb_place"
        " WHERE page = value AND NOT (document = ? AND (upload, position) IN"
        " (SELECT value ->> 0, value ->> 1 FROM json_each(?))))",
        (json.dumps([page for _, _, page in places]), document, json.dumps(gone)),
    )
    return [page for (page,) in rows]


def delete_passage(page: int) -> list[Statement]:
    """And recall is told. The statements belong together, in this order."""
    return [
        (
            "INSERT INTO kb_removal (namespace, page) SELECT namespace, page FROM kb_passage"
            " WHERE page = ?",
            (page,),
        ),
        ("DELETE FROM kb_passage WHERE page = ?", (page,)),
    ]


def delete_document(document: int) -> list[Statement]:
    """Its places must be gone."""
    return [
        ("DELETE FROM kb_upload WHERE document = ?", (document,)),
        ("DELETE FROM kb_document WHERE id = ?", (document,)),
    ]


# ---- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document that is not `whole` is being read, or was cut off."""

    id: int
    source: Source
    whole: bool
    num_passages: int


@dataclass(frozen=True, slots=True)
class Size:
    """Of a namespace; `num_bytes` are the files'."""

    documents: int = 0
    passages: int = 0
    num_bytes: int = 0


def read_documents(
    connection: sqlite3.Connection, namespace: str, beneath: str, after: str, limit: int
) -> list[DocumentRow]:
    """By path: the document `beneath`, and those below that folder (all, if it is empty); up to
    `limit` of them, after the path `after`."""
    prefix = beneath.rstrip("/") + "/" if beneath else ""
    rows = connection.execute(
        "SELECT id, source, size, mtime_ns, digest, unit, version, (SELECT count(*) FROM kb_place"
        " WHERE document = kb_document.id AND upload = version)"
        " FROM kb_document WHERE namespace = ? AND source > ?"
        " AND (source = ? OR substr(source, 1, ?) = ?) ORDER BY source LIMIT ?",
        (namespace, after, beneath, len(prefix), prefix, limit),
    )
    return [
        DocumentRow(number, Source(path, size, mtime_ns, digest, unit), version > 0, passages)
        for number, path, size, mtime_ns, digest, unit, version, passages in rows
    ]


def read_size(connection: sqlite3.Connection, namespace: str) -> Size:
    documents, num_bytes = connection.execute(
        "SELECT count(*), coalesce(sum(size), 0) FROM kb_document WHERE namespace = ?",
        (namespace,),
    ).fetchone()
    (passages,) = connection.execute(
        "SELECT count(*) FROM kb_passage WHERE namespace = ?", (namespace,)
    ).fetchone()
    return Size(documents, passages, num_bytes)


def _document(connection: sqlite3.Connection, namespace: str, path: str) -> int:
    (document,) = connection.execute(
        "SELECT id FROM kb_document WHERE namespace = ? AND source = ?", (namespace, path)
    ).fetchone()
    return int(document)
