"""A shelf: the keys to one owner's pages as arrays, one position per page, oldest first.

It follows the tables: `refresh` reads what has come since. What belongs together by neighbourhood
is never stored: a window's term counts are the sum of its pages' counts, a window's vector the sum
of its pages' vectors, so that the widest key costs no more than the narrowest.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from . import postings
from .embedding import Vectors
from .recall_store import COLUMNS, unpack

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


LONG = 256
"""Pages from which on a term's list of pages is kept in memory."""


def _ints() -> Ints:
    return np.zeros(0, np.int64)


def _floats() -> Floats:
    return np.zeros(0, np.float32)


@dataclass(slots=True)
class Shelf:
    """All arrays but `passages` and `passage_at` have a row per page; `whole` is zero for a page
    whose vectors are not there yet. `passage_at` is the position of each passage's page. `asks` is
    1 for a page that ends with a question, else 0. `session_at` numbers the sessions from 0.
    `window_lengths` is kept here for `views`."""

    owner: str
    with_vectors: bool = True
    ids: Ints = field(default_factory=_ints)
    pages: Ints = field(default_factory=_ints)
    sessions: Ints = field(default_factory=_ints)
    num_tokens: Ints = field(default_factory=_ints)
    created: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0, np.float64))
    num_terms: Floats = field(default_factory=_floats)
    num_date_terms: Floats = field(default_factory=_floats)
    asks: Floats = field(default_factory=_floats)
    whole: Vectors | None = None
    passages: Vectors | None = None
    passage_at: Ints = field(default_factory=_ints)
    session_at: Ints = field(default_factory=_ints)
    long_postings: dict[str, Ints] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    window_lengths: dict[int, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def num_bytes(self) -> int:
        vectors = (self.whole, self.passages)
        postings = sum(found.nbytes for found in self.long_postings.values())
        return sum(v.nbytes for v in vectors if v is not None) + postings + 80 * len(self)

    def refresh(self, connection: sqlite3.Connection, model: str, dim: int) -> None:
        """Read pages, and vectors of the model, that have come since the last time."""
        first = len(self)
        after = int(self.ids[-1]) if first else 0
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM recall_page WHERE owner = ? AND id > ? ORDER BY id",
            (self.owner, after),
        ).fetchall()
        self.take(rows)
        if self.with_vectors and dim:
            self.take_vectors(connection, model, dim, first)

    @property
    def num_others(self) -> int:
        """Pages of the owner that are not here."""
        return 0

    def others_with(self, term: str) -> int:
        """How many of those have a term."""
        return 0

    def postings(
        self, connection: sqlite3.Connection, terms: Sequence[str]
    ) -> tuple[Floats, Floats]:
        """How often each term is in each page's text, and in its date: two (terms, pages)."""
        in_text = np.zeros((len(terms), len(self)), np.float32)
        in_date = np.zeros_like(in_text)
        for row, term in enumerate(terms):
            found = self.holders(connection, term)
            at = np.searchsorted(self.ids, found[:, 0])
            known = at < len(self)  # a page may have come since the refresh
            in_text[row, at[known]] = found[known, 1]
            in_date[row, at[known]] = found[known, 2]
        return in_text, in_date

    def holders(self, connection: sqlite3.Connection, term: str) -> Ints:
        """(id, in text, in date) of the pages that have a term. Long lists are kept, and what has
        come since is added."""
        kept = self.long_postings.get(term)
        if kept is None:
            found = postings.read(connection, self.owner, term)
        else:
            new = postings.read(connection, self.owner, term, int(kept[-1, 0]))
            found = np.concatenate([kept, new]) if len(new) else kept
        if len(found) >= LONG:
            self.long_postings[term] = found
        return found

    def take(self, rows: list[tuple[float, ...]]) -> None:
        """Pages, as the columns that `refresh` reads."""
        if not rows:
            return
        new = np.array(rows, np.float64)
        self.ids = np.concatenate([self.ids, new[:, 0].astype(np.int64)])
        self.pages = np.concatenate([self.pages, new[:, 1].astype(np.int64)])
        self.sessions = np.concatenate([self.sessions, new[:, 2].astype(np.int64)])
        self.session_at = np.unique(self.sessions, return_inverse=True)[1].reshape(-1)
        self.num_tokens = np.concatenate([self.num_tokens, new[:, 3].astype(np.int64)])
        self.created = np.concatenate([self.created, new[:, 4]])
        self.num_terms = np.concatenate([self.num_terms, new[:, 5].astype(np.float32)])
        self.num_date_terms = np.concatenate([self.num_date_terms, new[:, 6].astype(np.float32)])
        self.asks = np.concatenate([self.asks, new[:, 7].astype(np.float32)])
        self.window_lengths.clear()

    def take_vectors(
        self, connection: sqlite3.Connection, model: str, dim: int, first: int = 0
    ) -> None:
        """Of the pages from position `first` on, and of those that had none the last time."""
        if self.whole is None or self.passages is None:
            self.whole = self.passages = np.zeros((0, dim), np.float32)
            first = 0
        grown = len(self) - len(self.whole)
        self.whole = np.concatenate([self.whole, np.zeros((grown, dim), np.float32)])
        self.waiting |= set(range(first, len(self)))
        if not self.waiting:
            return
        blobs = connection.execute(
            "SELECT id, vectors FROM recall_vector"
            " WHERE id IN (SELECT value FROM json_each(?)) AND model = ? ORDER BY id",
            (json.dumps(self.ids[sorted(self.waiting)].tolist()), model),
        ).fetchall()
        if not blobs:
            return
        found = unpack(b"".join(content for _, content in blobs), dim)
        sizes = np.array([len(content) for _, content in blobs]) // (2 * dim)
        first_rows = np.cumsum(sizes) - sizes
        at = np.searchsorted(self.ids, [number for number, _ in blobs])
        self.waiting.difference_update(at.tolist())
        self.whole[at] = found[first_rows]
        self.passages = np.concatenate([self.passages, np.delete(found, first_rows, axis=0)])
        self.passage_at = np.concatenate([self.passage_at, np.repeat(at, sizes - 1)])
        self.window_lengths.clear()
