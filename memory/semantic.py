"""The semantic index: Chroma over the vectors of owners that are too large to search exactly.

It holds ids and vectors, never a text (what is deleted stays in Chroma's file), and nothing that
SQLite does not hold. What changes is written to an outbox in SQLite, in the transaction of the
change, and taken from there (`drain`); ids are derived from the page, so that the same again
changes nothing. An owner's vectors are a collection of their own: filtering one shared collection
costs 45 ms at 100,000 rows, a collection 1 ms.

Chroma's file is corrupted in silence by a second writing process (a third of the vectors gone, in a
trial), so a lock file keeps a second one out. Whatever else happens to the folder, `check` sees and
`rebuild` mends.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import logging
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .embedding import Vectors
from .passages import MAX_PASSAGES
from .recall_store import count_passages, unpack

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Pages that are read, and handed to Chroma, together."""
SAMPLE = 16
MAY_MISS = 1
"""Of the sample: the search is approximate."""
CLOSE = 0.01
"""A vector that is kept in half precision and comes back from Chroma is this near to itself."""

Progress = Callable[[str, int, int], None]
"""(owner, pages done, pages in all)."""


class SemanticIndexBusy(Exception):
    """Another process has the folder."""


class SemanticIndexBroken(Exception):
    """Chroma failed; `rebuild` from SQLite is the way out."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What `check` found: `owner`'s vectors are not what SQLite says, and why."""

    owner: str
    reason: str


class SemanticIndex:
    """Thread-safe: one call at a time. The connection that methods take is the caller's."""

    def __init__(self, folder: Path, model: str, dim: int) -> None:
        """Raises SemanticIndexBusy. What Chroma cannot open is deleted: `check` then says
        that everything is missing."""
        self._folder = folder
        self._model = model
        self._dim = dim
        self._turn = threading.RLock()
        self._collections: dict[str, Any] = {}
        self._counted: dict[str, int] = {}
        self._failure: SemanticIndexBroken | None = None
        self._lock = _take_lock(folder)
        try:
            self._client = self._open()
        except BaseException:
            self._lock.close()
            raise

    def _open(self) -> Any:
        """Chroma's files are in a folder with a random name, because it keeps what it knows of a
        path for as long as the process lives, even if it could not be opened."""
        found = sorted(path for path in self._folder.iterdir() if path.is_dir())
        if len(found) == 1:
            try:
                return _client(found[0])
            except Exception as error:
                log.warning("%s cannot be opened and is made anew: %s", found[0], error)
            except BaseException as error:  # a panic of Chroma's Rust is no Exception
                if not _is_panic(error):
                    raise
        for path in found:
            shutil.rmtree(path, ignore_errors=True)
        return _client(self._folder / secrets.token_hex(4))

    def close(self) -> None:
        """Let another process have the folder."""
        with self._turn:
            self._collections.clear()
            self._counted.clear()
            with suppress(Exception):
                self._client.close()
            self._lock.close()

    def raise_if_broken(self) -> None:
        """Has a search failed? Raises SemanticIndexBroken, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def nearest(self, owner: str, vector: Vectors, count: int) -> list[tuple[int, float]]:
        """(id of the page's row, cosine) of the nearest passages, the nearest first. Raises
        SemanticIndexBroken."""
        try:
            with self._turn:
                collection = self._collection(owner)
                size = self._at_least(owner, collection, count)
                if not size:
                    return []
                found = self._call(
                    collection.query,
                    query_embeddings=vector[None],
                    n_results=min(count, size),
                    include=["distances"],
                )
        except SemanticIndexBroken as error:
            self._failure = error
            raise
        return [
            (int(name.partition(":")[0]), 1 - distance)
            for name, distance in zip(found["ids"][0], found["distances"][0], strict=True)
        ]

    def drain(self, connection: sqlite3.Connection, limit: int = AT_ONCE) -> int:
        """Take up to `limit` changes out of the outbox; how many it were. What is interrupted in
        between is done again."""
        rows = connection.execute(
            "SELECT outbox.number, outbox.owner, outbox.id, vectors FROM recall_outbox AS outbox"
            " LEFT JOIN recall_vector AS vector ON vector.id = outbox.id AND model = ?"
            " ORDER BY number LIMIT ?",
            (self._model, limit),
        ).fetchall()
        if not rows:
            return 0
        with self._turn:
            pending: dict[str, list[tuple[int, bytes]]] = {}
            for _, owner, number, content in rows:
                if number is None:
                    pending.pop(owner, None)
                    self._drop(owner)
                elif content is not None:
                    pending.setdefault(owner, []).append((number, content))
                else:  # its vectors are gone: it was forgotten
                    self._remove(owner, number)
            for owner, pages in pending.items():
                self._put(owner, pages)
        last = rows[-1][0]
        connection.execute("DELETE FROM recall_outbox WHERE number <= ?", (last,))
        return len(rows)

    def check(self, connection: sqlite3.Connection) -> list[Damage]:
        """Compare with SQLite: how many vectors an owner has, and some of them one by one. What is
        still in the outbox is no damage."""
        found = []
        owners = connection.execute("SELECT owner FROM recall_semantic ORDER BY owner").fetchall()
        for (owner,) in owners:
            try:
                with self._turn:
                    reason = self._compare(connection, owner)
            except SemanticIndexBroken as error:
                reason = str(error)
            if reason:
                found.append(Damage(owner, reason))
        return found

    def sweep(self, connection: sqlite3.Connection) -> None:
        """Drop what belongs to no owner any more, or to another embedding model."""
        owners = connection.execute("SELECT owner FROM recall_semantic").fetchall()
        known = {self._name(owner) for (owner,) in owners}
        with self._turn:
            for collection in self._call(self._client.list_collections):
                if collection.name not in known:
                    self._call(self._client.delete_collection, collection.name)

    def rebuild(
        self, connection: sqlite3.Connection, owner: str, progress: Progress | None = None
    ) -> None:
        """An owner's collection anew from SQLite. It may run in a thread beside searches, with a
        connection of its own; they find less until it is done."""
        (total,) = connection.execute(
            "SELECT count(*) FROM recall_vector WHERE owner = ? AND model = ?", (owner, self._model)
        ).fetchone()
        with self._turn:
            self._drop(owner)
        done = last = 0
        while pages := connection.execute(
            "SELECT id, vectors FROM recall_vector WHERE owner = ? AND model = ? AND id > ?"
            " ORDER BY id LIMIT ?",
            (owner, self._model, last, AT_ONCE),
        ).fetchall():
            with self._turn:
                self._put(owner, pages)
            last, done = pages[-1][0], done + len(pages)
            if progress:
                progress(owner, done, total)

    # ---- one collection -------------------------------------------------------------------

    def _compare(self, connection: sqlite3.Connection, owner: str) -> str:
        """What is wrong, or nothing."""
        expected = count_passages(connection, owner, self._model)
        (pending,) = connection.execute(
            "SELECT coalesce(sum(passages), 0) FROM recall_vector WHERE owner = ? AND model = ?"
            " AND id IN (SELECT id FROM recall_outbox WHERE owner = ?)",
            (owner, self._model, owner),
        ).fetchone()
        (forgotten,) = connection.execute(
            "SELECT count(DISTINCT id) FROM recall_outbox WHERE owner = ?"
            " AND id NOT IN (SELECT id FROM recall_page)",
            (owner,),
        ).fetchone()
        collection = self._collection(owner)
        count = self._count(collection)
        if not expected - pending <= count <= expected + forgotten * MAX_PASSAGES:
            return f"{count} vectors are there, {expected - pending} should be"
        sample = connection.execute(
            "SELECT id, vectors FROM recall_vector WHERE id IN"
            " (SELECT id FROM recall_vector WHERE owner = ? AND model = ?"
            " AND id NOT IN (SELECT id FROM recall_outbox WHERE id IS NOT NULL)"
            " ORDER BY random() LIMIT ?)",
            (owner, self._model, SAMPLE),
        ).fetchall()
        missed = 0
        for number, content in sample:
            first = unpack(content, self._dim)[1]
            if not self._holds(collection, number, first):
                return f"the vector of page row {number} is not what was written"
            missed += not self._finds(collection, first)
        if missed > MAY_MISS:
            return f"{missed} of {len(sample)} vectors are there and are not found"
        return ""

    def _holds(self, collection: Any, number: int, vector: Vectors) -> bool:
        """Is the page's first passage there as it was written?"""
        kept = self._call(collection.get, ids=[f"{number}:0"], include=["embeddings"])
        if len(kept["ids"]) != 1:
            return False
        difference = np.abs(np.asarray(kept["embeddings"][0]) - vector).max()
        return bool(difference <= CLOSE)

    def _finds(self, collection: Any, vector: Vectors) -> bool:
        near = self._call(
            collection.query, query_embeddings=vector[None], n_results=1, include=["distances"]
        )
        # Not by its id: two pages may say the same.
        return bool(near["ids"][0]) and near["distances"][0][0] < CLOSE

    def _put(self, owner: str, pages: Sequence[tuple[int, bytes]]) -> None:
        collection = self._collection(owner)
        ids: list[str] = []
        parts: list[Vectors] = []
        for number, content in dict(pages).items():  # the same page twice is refused by Chroma
            passages = unpack(content, self._dim)[1:]
            ids += [f"{number}:{index}" for index in range(len(passages))]
            parts.append(passages)
        vectors = np.concatenate(parts)
        most = self._client.get_max_batch_size()
        for first in range(0, len(ids), most):
            self._call(
                collection.upsert,
                ids=ids[first : first + most],
                embeddings=vectors[first : first + most],
            )

    def _remove(self, owner: str, number: int) -> None:
        """A page's passages; how many they were, only Chroma knows."""
        collection = self._collection(owner)
        for first in itertools.count(step=AT_ONCE):
            names = [f"{number}:{index}" for index in range(first, first + AT_ONCE)]
            found = self._call(collection.get, ids=names, include=[])["ids"]
            if not found:
                return
            self._call(collection.delete, ids=found)
            self._counted.pop(owner, None)

    def _collection(self, owner: str) -> Any:
        """Its name says the model, too: vectors of two models never meet."""
        found = self._collections.get(owner)
        if found is None:
            found = self._collections[owner] = self._call(
                self._client.get_or_create_collection,
                self._name(owner),
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine"}},
            )
        return found

    def _drop(self, owner: str) -> None:
        self._collections.pop(owner, None)
        self._counted.pop(owner, None)
        with suppress(SemanticIndexBroken):  # there was none
            self._call(self._client.delete_collection, self._name(owner))

    def _count(self, collection: Any) -> int:
        return int(self._call(collection.count))

    def _at_least(self, owner: str, collection: Any, count: int) -> int:
        """How many there are, if they are fewer; Chroma goes through all of them to count."""
        if self._counted.get(owner, 0) < count:
            self._counted[owner] = self._count(collection)
        return min(count, self._counted[owner])

    def _name(self, owner: str) -> str:
        """Chroma takes but few characters in a name; an owner's may have any."""
        key = f"{owner}\0{self._model}\0{self._dim}".encode("utf-8", "replace")
        return f"owner-{hashlib.sha256(key).hexdigest()[:40]}"

    def _call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            self._collections.clear()
            self._counted.clear()
            raise SemanticIndexBroken(f"Chroma in {self._folder} failed: {error}") from error
        except BaseException as error:
            if not _is_panic(error):
                raise
            self._collections.clear()
            self._counted.clear()
            raise SemanticIndexBroken(f"Chroma in {self._folder} panicked: {error}") from error


def _client(folder: Path) -> Any:
    import chromadb  # a second, and many megabytes, which only those pay who use it
    from chromadb.config import Settings

    client = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False))
    client.list_collections()
    return client


def _is_panic(error: BaseException) -> bool:
    return type(error).__name__ == "PanicException"


def _take_lock(folder: Path) -> Any:
    """Beside the folder, so that deleting the folder does not delete the lock."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f"{folder.name}.lock")
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise SemanticIndexBusy(
            f"the semantic index {folder} is in use by process {holder}: a second writer would"
            " corrupt it. End that process, or use another folder"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
