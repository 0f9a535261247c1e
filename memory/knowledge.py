"""The knowledge base, searched: what recall finds in a namespace, with where it stands."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .corpus import Scope
from .knowledge_store import owner_of
from .recall import Hit


@dataclass(frozen=True, slots=True)
class Citation:
    """Lines or pages of a file, from 1, both ends included."""

    source: str
    unit: str
    first: int
    last: int

    def __str__(self) -> str:
        """`/home/ada/plan.md:12-18`, `/home/ada/paper.pdf, page 3`."""
        if self.unit == "page":
            return f"{self.source}, page {self.first}"
        return f"{self.source}:{self.first}" + (f"-{self.last}" if self.last > self.first else "")


@dataclass(frozen=True, slots=True)
class Found:
    """A passage, and every place that it stands in."""

    hit: Hit
    namespace: str
    heading: str
    text: str
    citations: tuple[Citation, ...]


def scope(namespace: str) -> Scope:
    """What a search of recall takes to see a namespace."""
    return Scope(owner_of(namespace))


def resolve(connection: sqlite3.Connection, hits: Sequence[Hit]) -> list[Found]:
    """The passages of hits in namespaces; one that has been removed meanwhile is left out, and so
    is what is no passage."""
    cited = cite(connection, (hit.page for hit in hits))
    rows = connection.execute(
        "SELECT page, namespace, heading, text FROM kb_passage"
        " WHERE page IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(cited)),),
    )
    passages = {
        (owner_of(namespace), page): (namespace, heading, text)
        for page, namespace, heading, text in rows
    }
    return [
        Found(hit, *passages[hit.owner, hit.page], cited[hit.page])
        for hit in hits
        if (hit.owner, hit.page) in passages
    ]


def cite(
    connection: sqlite3.Connection, pages: Iterable[int]
) -> Mapping[int, tuple[Citation, ...]]:
    """Where each passage stands, by path. Of a document that is being read anew, as the newest
    reading says."""
    rows = connection.execute(
        "SELECT page, source, unit, first, last FROM kb_place"
        " JOIN kb_document ON kb_document.id = document"
        " WHERE page IN (SELECT value FROM json_each(?)) AND upload = (SELECT max(upload)"
        " FROM kb_place AS other WHERE other.document = kb_place.document"
        " AND other.page = kb_place.page)"
        " ORDER BY source, first",
        (json.dumps(sorted(set(pages))),),
    )
    found: dict[int, tuple[Citation, ...]] = {}
    for page, *place in rows:
        found[page] = (*found.get(page, ()), Citation(*place))
    return found
