"""The lexicon: single words by their meaning, so that a question about pets finds the dog.

It holds a vector for each word that any page has. Which words a page has is private to its owner;
that a word exists is not.
"""

from __future__ import annotations

import sqlite3

import numpy as np

from .embedding import Vectors
from .recall_store import unpack
from .terms import common

RELATED = 0.5
"""Least cosine of two related words; MiniLM puts two random ones at 0.2."""
MAX_RELATED = 24


class Lexicon:
    """Of one embedding model. Private to one thread."""

    def __init__(self, model: str, dim: int) -> None:
        self._model = model
        self.dim = dim
        self._last_id = 0
        self._terms: list[str] = []
        self._rows: dict[str, int] = {}
        self._vectors: Vectors = np.zeros((0, dim), np.float32)

    def __len__(self) -> int:
        return len(self._terms)

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Read the words that have come since the last time."""
        rows = connection.execute(
            "SELECT id, word, term, vector FROM recall_word WHERE model = ? AND id > ? ORDER BY id",
            (self._model, self._last_id),
        ).fetchall()
        if not rows:
            return
        self._last_id = rows[-1][0]
        for _, word, term, _ in rows:
            self._rows[word] = len(self._terms)
            self._terms.append(term)
        new = unpack(b"".join(vector for *_, vector in rows), self.dim)
        self._vectors = np.concatenate([self._vectors, new])

    def vector(self, word: str) -> Vectors | None:
        """A word's own, if it is known."""
        row = self._rows.get(word)
        return None if row is None else self._vectors[row]

    def related(self, vectors: Vectors) -> list[dict[str, float]]:
        """For each vector of a word, the stems of words that mean something like it, and how much
        a page that has them is worth beside one that has the word itself."""
        similarity = vectors @ self._vectors.T
        return [self._related(row) for row in similarity]

    def _related(self, similarity: Vectors) -> dict[str, float]:
        near = np.flatnonzero(similarity > RELATED)
        near = near[np.argsort(-similarity[near])][:MAX_RELATED]
        found: dict[str, float] = {}
        for index in near:
            term = self._terms[index]
            if term not in common():
                found.setdefault(term, float(similarity[index]) ** 2)
        return found
