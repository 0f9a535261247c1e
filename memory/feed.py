"""The feed: what is in swap and in the knowledge base and not yet in the index of recall, in the
order in which it came.

Frames and passages are numbered upwards and never change, so the numbers of the last ones that were
indexed are all that the index has to remember.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from . import knowledge_store, swap
from .compression import decompressed
from .recall_store import Entry

DAY_S = 86_400
"""What was said on one day counts as one session: its pages are each other's neighbours."""
CHARACTERS_PER_TOKEN = 3
"""Of passages, whose tokens nobody has counted: an estimate on the safe side."""


def open_source(journal: Path) -> sqlite3.Connection:
    """A connection that reads only, beside the kernel's own."""
    return sqlite3.connect(f"file:{journal}?mode=ro", uri=True, isolation_level=None)


def source_id(source: sqlite3.Connection) -> str:
    """Names the journal: an index of another one says nothing about this one."""
    row = source.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()
    return str(row[0])


def pages_after(source: sqlite3.Connection, frame: int, limit: int) -> tuple[int, list[Entry]]:
    """(number of the last frame that was read, what is to be indexed of them). Pages that quote
    others, and those without a word, are not."""
    last, found = frames_after(source, frame, limit)
    return last, [entry for _, entry in found]


def frames_after(
    source: sqlite3.Connection, frame: int, limit: int
) -> tuple[int, list[tuple[int, Entry]]]:
    """The same, each with the number of its frame."""
    rows = source.execute(
        "SELECT id, owner, vpn, role, text, calls, call_id, recalled, num_tokens, created"
        " FROM frame WHERE id > ? ORDER BY id LIMIT ?",
        (frame, limit),
    ).fetchall()
    if not rows:
        return frame, []
    entries = []
    for number, owner, vpn, role, content, calls, _, recalled, num_tokens, created in rows:
        said = [decompressed(content)]
        said += [f"{name} {arguments}" for _, name, arguments in json.loads(calls)]
        text = "\n".join(part for part in said if part)
        if text and not recalled and owner != swap.NOBODY:
            session = int(created // DAY_S)
            entry = Entry(owner, vpn, text, num_tokens, created, session, heading=role)
            entries.append((number, entry))
    return rows[-1][0], entries


def last_frame(source: sqlite3.Connection) -> int:
    """The number of the newest."""
    (last,) = source.execute("SELECT coalesce(max(id), 0) FROM frame").fetchone()
    return int(last)


def forgotten_after(
    source: sqlite3.Connection, number: int, limit: int
) -> tuple[int, list[tuple[str, int]]]:
    """(number of the last one that was read, (owner, page) of what nobody wants to find)."""
    rows = swap.read_forgotten(source, number, limit)
    return (rows[-1][0] if rows else number), [(owner, vpn) for _, owner, vpn in rows]


def passages_after(source: sqlite3.Connection, passage: int, limit: int) -> tuple[int, list[Entry]]:
    """The same of the knowledge base. A document counts as one session."""
    rows = source.execute(
        "SELECT namespace, page, text, created, document, heading FROM kb_passage WHERE page > ?"
        " ORDER BY page LIMIT ?",
        (passage, limit),
    )
    entries = [
        Entry(
            owner=knowledge_store.owner_of(namespace),
            page=number,
            text=text,
            num_tokens=-(-len(text) // CHARACTERS_PER_TOKEN),
            created=created,
            session=document,
            heading=heading,
        )
        for namespace, number, text, created, document, heading in rows
    ]
    return (entries[-1].page if entries else passage), entries


def removed_after(
    source: sqlite3.Connection, number: int, limit: int
) -> tuple[int, list[tuple[str, int]]]:
    """As `forgotten_after`, of the knowledge base."""
    rows = source.execute(
        "SELECT number, namespace, page FROM kb_removal WHERE number > ? ORDER BY number LIMIT ?",
        (number, limit),
    ).fetchall()
    gone = [(knowledge_store.owner_of(namespace), page) for _, namespace, page in rows]
    return (rows[-1][0] if rows else number), gone


def behind(source: sqlite3.Connection, frame: int, passage: int) -> int:
    """How many frames and passages have come after these."""
    last_frame, last_passage = source.execute(
        "SELECT (SELECT coalesce(max(id), 0) FROM frame),"
        " (SELECT coalesce(max(page), 0) FROM kb_passage)"
    ).fetchone()
    return max(0, int(last_frame) - frame) + max(0, int(last_passage) - passage)
