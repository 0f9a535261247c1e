"""The library: recall's index over all that swap holds, in a database of its own.

It is derived: deleted, damaged, or of another journal, it is made anew from swap. So it need not
be flushed to disk with each change, and writing it never keeps the kernel's journal waiting. It
belongs to one process, and that is not the kernel (`recall_process.py`): an index takes memory,
and Chroma's native code has crashed under others.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import feed, recall_store, swap
from .corpus import Scope
from .embedding import Embedder, EmbeddingError
from .recall import ALWAYS, EXACT_PAGES, Hit, Index, When
from .recall_store import Entry
from .semantic import Damage, SemanticIndex, SemanticIndexBroken, SemanticIndexBusy
from .views import Question

log = logging.getLogger(__name__)

VERSION = "3"
AT_ONCE = 512
"""Pages that are indexed in one transaction: a third of a second. The more it is, the fewer times
the same leaves of the tree of terms are written."""
CACHE_KIB = 32 << 10
"""Of that tree, all that is not sealed yet fits."""
EMBED_AT_ONCE = 8
"""Pages: a question that comes meanwhile waits for no more."""
PATIENCE_S = 1.5
"""How long a question waits for its meaning."""

NO_REBUILD = ("", 0, 0)

SCHEMA = """
CREATE TABLE IF NOT EXISTS library (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question. Of the pages of `scopes`, the `k` best, or those that fit into `max_tokens`."""

    query: str
    scopes: tuple[Scope, ...]
    k: int | None = None
    max_tokens: int | None = None
    when: When = ALWAYS


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """`behind` pages are not indexed yet, `unembedded` not by their meaning. `rebuilding` says
    whose vectors are being handed to Chroma again; `rebuilt` of `to_rebuild` pages are."""

    pages: int
    behind: int
    unembedded: int
    cached_bytes: int
    rebuilding: str = ""
    rebuilt: int = 0
    to_rebuild: int = 0
    trouble: str = ""


class Library:
    """Over the journal of one kernel. All methods run on one loop."""

    def __init__(
        self,
        journal: Path,
        database: Path,
        embedder: Embedder | None = None,
        chroma: Path | None = None,
        *,
        exact_pages: int = EXACT_PAGES,
    ) -> None:
        self._source = feed.open_source(journal)
        self._database = database
        self._embedder = embedder
        self._chroma = chroma
        self._connection = self._open()
        self._semantic: SemanticIndex | None = None
        self._index = Index(self._connection, embedder, exact_pages=exact_pages)
        self._sorted = False  # into those that Chroma has, and the others
        self._rebuilding = NO_REBUILD
        self._trouble = ""

    def _open(self) -> sqlite3.Connection:
        identity = feed.source_id(self._source)
        try:
            connection = _connect(self._database)
            if _about(connection) in ({}, {"version": VERSION, "source": identity}):
                connection.executescript(recall_store.SCHEMA + SCHEMA)
                connection.execute(
                    "INSERT OR IGNORE INTO library VALUES ('version', ?)", (VERSION,)
                )
                connection.execute(
                    "INSERT OR IGNORE INTO library VALUES ('source', ?)", (identity,)
                )
                return connection
            log.warning("%s is of another journal or version and is made anew", self._database)
            connection.close()
        except sqlite3.DatabaseError as error:
            log.warning("%s is damaged and is made anew: %s", self._database, error)
        destroy(self._database)
        return self._open()

    def close(self) -> None:
        if self._semantic is not None:
            self._semantic.close()
        self._connection.close()
        self._source.close()

    # ---- asking ---------------------------------------------------------------------------

    async def search(self, wanted: Wanted) -> list[Hit]:
        """The best pages, the best first; of what came a moment ago, too. While the embedder
        is not up yet, or too busy, by their words."""
        while self.catch_up():
            await asyncio.sleep(0)
        question = self._index.ask_by_words(wanted.query)  # which finds most of it
        if self._embedder is not None and self._embedder.ready:
            # Not cancelled when it takes too long: the embedder would have to start anew.
            asking = asyncio.ensure_future(self._index.ask(wanted.query))
            asking.add_done_callback(_retrieved)
            try:
                question = await asyncio.wait_for(asyncio.shield(asking), PATIENCE_S)
            except TimeoutError:
                log.info("a question was answered by its words: the embedder is busy")
            except EmbeddingError as error:
                self._trouble = str(error)
        return self._index.find(
            question,
            wanted.scopes,
            k=wanted.k,
            max_tokens=wanted.max_tokens,
            when=wanted.when,
        )

    def status(self) -> LibraryStatus:
        found = self._index.statistics()
        rebuilding, rebuilt, to_rebuild = self._rebuilding
        return LibraryStatus(
            pages=found.pages,
            behind=feed.behind(self._source, self._noted("indexed"), self._noted("passages")),
            unembedded=found.unembedded,
            cached_bytes=found.cached_bytes,
            rebuilding=rebuilding,
            rebuilt=rebuilt,
            to_rebuild=to_rebuild,
            trouble=self._trouble,
        )

    # ---- keeping up -----------------------------------------------------------------------

    def catch_up(self) -> bool:
        """Take up some of what has come and gone; is there more?"""
        # What has gone is read first: what it names is then among what has been indexed.
        forgotten = feed.forgotten_after(self._source, self._noted("forgotten"), AT_ONCE)
        removed = feed.removed_after(self._source, self._noted("removed"), AT_ONCE)
        pages = feed.pages_after(self._source, self._noted("indexed"), AT_ONCE)
        passages = feed.passages_after(self._source, self._noted("passages"), AT_ONCE)
        if any([self._add("indexed", *pages), self._add("passages", *passages)]):
            return True
        return any([self._drop("forgotten", *forgotten), self._drop("removed", *removed)])

    def _add(self, what: str, last: int, entries: Sequence[Entry]) -> bool:
        if last == self._noted(what):
            return False
        statements = [one for entry in entries for one in self._index.statements(entry)]
        self._index.execute([*statements, _note(what, last)])
        for owner in {entry.owner for entry in entries}:
            self._index.seal(owner)
        return True

    def _drop(self, what: str, last: int, gone: Sequence[tuple[str, int]]) -> bool:
        for owner, page in gone:
            self._index.forget_page(owner, page)
        if gone:
            self._index.execute([_note(what, last)])
        return bool(gone)

    async def embed(self) -> bool:
        """Compute the vectors of some pages; is there more to do? Raises EmbeddingError."""
        if self._embedder is None:
            return False
        if not self._embedder.ready:  # questions have a meaning, too, even if no page waits
            await self._embedder.embed(["hello"])
        if not self._sorted:
            self._register(recall_store.owners(self._connection))
            self._sorted = True
        owners = await self._index.embed_pending(EMBED_AT_ONCE)
        self._trouble = ""
        self._register(owners)
        return bool(owners)

    async def tend_semantic_index(self) -> None:
        """Open Chroma if there is an owner for it, check it, mend what is wrong, hand over what
        has come."""
        if self._semantic is None and not await self._open_semantic_index():
            return
        semantic = self._semantic
        assert semantic is not None
        try:
            semantic.raise_if_broken()
            while semantic.drain(self._connection):
                await asyncio.sleep(0)
        except SemanticIndexBroken as error:
            self._trouble = str(error)
            await self._check_and_mend()

    def check_semantic_index(self) -> list[Damage]:
        """What Chroma holds otherwise than the vectors here say."""
        return self._semantic.check(self._connection) if self._semantic else []

    def _noted(self, key: str) -> int:
        """The number up to which something was taken over."""
        row = self._connection.execute("SELECT value FROM library WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def _register(self, owners: Iterable[str]) -> None:
        """Those that have grown too large to be searched page by page."""
        for owner in owners:
            if self._index.is_large(owner) and not recall_store.in_semantic_index(
                self._connection, owner
            ):
                log.info("%s has grown large: its vectors go to the semantic index", owner)
                self._index.execute(recall_store.use_semantic_index(owner))

    async def _open_semantic_index(self) -> bool:
        if self._chroma is None or self._embedder is None:
            return False
        if not self._connection.execute("SELECT 1 FROM recall_semantic LIMIT 1").fetchone():
            return False
        try:
            self._semantic = SemanticIndex(
                self._chroma, self._embedder.name, await self._embedder.dim()
            )
        except SemanticIndexBusy as error:
            self._trouble = str(error)
            return False
        self._index.use(self._semantic)
        self._semantic.sweep(self._connection)
        await self._check_and_mend()
        return True

    async def _check_and_mend(self) -> None:
        """In a thread: Chroma may have gigabytes to look at."""
        await self._mend(await asyncio.to_thread(self._check))

    async def _mend(self, found: Sequence[Damage]) -> None:
        for damage in found:
            log.warning("the vectors of %s are rebuilt: %s", damage.owner, damage.reason)
            await asyncio.to_thread(self._rebuild, damage.owner)
        self._rebuilding = NO_REBUILD

    def _check(self) -> list[Damage]:
        assert self._semantic is not None
        connection = _connect(self._database)
        try:
            return self._semantic.check(connection)
        finally:
            connection.close()

    def _rebuild(self, owner: str) -> None:
        assert self._semantic is not None

        def note(owner: str, done: int, total: int) -> None:
            self._rebuilding = (owner, done, total)

        connection = _connect(self._database)
        try:
            self._semantic.rebuild(connection, owner, note)
        finally:
            connection.close()


def _note(key: str, number: int) -> swap.Statement:
    return ("INSERT OR REPLACE INTO library VALUES (?, ?)", (key, str(number)))


def _retrieved(asking: asyncio.Future[Question]) -> None:
    """Its error was told, or nobody waits for it any more."""
    if not asking.cancelled():
        asking.exception()


def destroy(database: Path) -> None:
    """It is made anew from swap."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)


def _connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA page_size = 16384")  # a page's vectors are some kilobytes
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return connection


def _about(connection: sqlite3.Connection) -> dict[str, str]:
    """What it says of itself; nothing when it is new."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'library'").fetchone():
        return {}
    rows = connection.execute("SELECT key, value FROM library WHERE key IN ('version', 'source')")
    return dict(rows.fetchall())
