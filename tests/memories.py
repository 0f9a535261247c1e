"""An index over a few pages, and an embedding that needs no model: for tests of recall."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llmos.memory import recall_store
from llmos.memory.embedding import Vectors
from llmos.memory.recall import Index
from llmos.memory.recall_store import Entry

DAY = 86_400.0
MAY_8 = 1_778_227_200.0  # 2026-05-08, 08:00 UTC


class WordEmbedder:
    """A text's vector is the sum of its words', and those are as good as random: texts are near
    each other when they share words."""

    name = "words"
    ready = True

    async def dim(self) -> int:
        return 64

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        total = np.full(64, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
            total += np.random.default_rng(seed).standard_normal(64).astype(np.float32)
        return total / np.float32(np.linalg.norm(total))


def store(path: Path | str = ":memory:") -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(recall_store.SCHEMA)
    return connection


def add_all(index: Index, owner: str, texts: Sequence[str], *, session: int = 0) -> None:
    """Pages 0, 1, 2 …, a day apart."""
    for page, text in enumerate(texts):
        created = MAY_8 + page * DAY
        index.add(Entry(owner, page, text, len(text.split()), created, session=session))
