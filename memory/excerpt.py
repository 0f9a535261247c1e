"""An excerpt: of an owner with too many pages to look at each, those that a question may mean.

They are named by the rarest of its words and by the nearest passages, each with its neighbours; a
few hundred, however many pages there are. All views then look at them as at any owner's. What a
word weighs is still judged among all pages: that the others are there, and have or have not a
word, is known from the postings alone.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from . import postings
from .recall_store import COLUMNS
from .shelf import Floats, Ints, Shelf
from .views import Question

BY_WORDS = 128
WITH_NEIGHBOURS = 24
NEIGHBOURS = 3
LATEST = 32
"""Pages that come last; all that there is to say of a question without a word that any page has."""
MAX_POSTINGS = 60_000
"""Of the rarest words; the frequent ones tell no page from another."""


@dataclass(frozen=True, slots=True)
class Within:
    """Rows that may be looked at: up to `last` they may be seen, from `first` to `end` they are
    of the time that is asked for."""

    last: int
    first: int
    end: int


@dataclass(slots=True)
class Excerpt(Shelf):
    """A shelf of some of an owner's pages; of the others it knows how many there are, and how
    many of them have each term."""

    num_others: int = 0
    held: dict[str, Ints] = field(default_factory=dict)

    def others_with(self, term: str) -> int:
        return len(self.held[term]) - len(self._holders(term))

    def holders(self, connection: sqlite3.Connection, term: str) -> Ints:
        return self._holders(term)

    def _holders(self, term: str) -> Ints:
        rows = self.held[term]
        at = np.searchsorted(rows[:, 0], self.ids)
        known = at < len(rows)
        known[known] = rows[at[known], 0] == self.ids[known]
        return rows[at[known]]


def excerpt(
    connection: sqlite3.Connection,
    shelf: Shelf,
    question: Question,
    within: Within,
    near: Iterable[int],
    model: str,
) -> Excerpt:
    """Of the owner whose postings the shelf keeps. `near` are rows of pages that mean something
    like the question, the nearest first."""
    owner = shelf.owner
    held = {term: shelf.holders(connection, term) for term in question.all_terms}
    for term, rows in held.items():
        held[term] = rows[: np.searchsorted(rows[:, 0], within.last, side="right")]
    total = postings.count_pages(connection, owner, within.last)
    by_words = _by_words(question, held, total, within)
    by_meaning = [row for row in near if within.first <= row <= within.end]
    latest = connection.execute(
        "SELECT id FROM recall_page WHERE owner = ? AND id BETWEEN ? AND ?"
        " ORDER BY id DESC LIMIT ?",
        (owner, within.first, within.end, LATEST),
    )
    best = {*by_words[:WITH_NEIGHBOURS], *by_meaning[:WITH_NEIGHBOURS]}
    wanted = {*by_words, *by_meaning, *(row for (row,) in latest)}
    found = Excerpt(owner, held=held)
    found.take(_rows(connection, owner, wanted, best, within.last))
    # Neighbours are those that were neighbours among all pages.
    apart = (np.diff(found.pages) != 1) | (np.diff(found.sessions) != 0)
    found.session_at = np.concatenate([[0], np.cumsum(apart)])[: len(found)].astype(np.int64)
    found.num_others = total - len(found)
    if question.vector is not None:
        found.take_vectors(connection, model, len(question.vector))
    return found


def _by_words(
    question: Question, held: Mapping[str, Ints], total: int, within: Within
) -> list[int]:
    """Rows of the pages that have the rarest of the terms, the best first."""
    weights = {term: weight for word in question.related for term, weight in word.items()}
    weights |= dict.fromkeys(question.terms, 1.0)
    ids: list[Ints] = [np.zeros(0, np.int64)]
    worth: list[Floats] = [np.zeros(0, np.float32)]
    size = 0
    for term in sorted(held, key=lambda term: len(held[term])):
        rows = held[term][:, 0]
        size += len(rows)
        if size > MAX_POSTINGS:
            break
        rows = rows[(rows >= within.first) & (rows <= within.end)]
        rarity = np.log1p((total - len(held[term]) + 0.5) / (len(held[term]) + 0.5))
        ids.append(rows)
        worth.append(np.full(len(rows), weights[term] * rarity, np.float32))
    sums = np.bincount(np.concatenate(ids), np.concatenate(worth))
    pages = np.flatnonzero(sums)
    if len(pages) > BY_WORDS:  # to sort all of them takes some milliseconds
        least = np.partition(sums[pages], -BY_WORDS)[-BY_WORDS]
        pages = pages[sums[pages] >= least]
    chosen: list[int] = pages[np.argsort(-sums[pages], kind="stable")[:BY_WORDS]].tolist()
    return chosen


def _rows(
    connection: sqlite3.Connection, owner: str, wanted: set[int], best: set[int], last: int
) -> list[tuple[float, ...]]:
    """Pages as a shelf takes them, with the neighbours of the best."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM recall_page WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(wanted)),),
    ).fetchall()
    pages = {row[1] for row in rows}
    beside = {
        row[1] + distance
        for row in rows
        if row[0] in best
        for distance in range(-NEIGHBOURS, NEIGHBOURS + 1)
    }
    rows += connection.execute(
        f"SELECT {COLUMNS} FROM recall_page"
        " WHERE owner = ? AND page IN (SELECT value FROM json_each(?)) AND id <= ?",
        (owner, json.dumps(sorted(beside - pages)), last),
    ).fetchall()
    return sorted(rows)
