"""The journal: what the kernel has acknowledged, on disk before it is acknowledged.

SQLite in WAL mode with `synchronous=FULL` (NORMAL loses acknowledged rows when the power fails),
one connection in one thread. Commits are grouped: whatever arrives while the disk is busy with one
transaction goes into the next, so that a hundred processes cost hardly more flushes than one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ..memory.swap import Statement

SCHEMA_VERSION = 3
MAX_GROUP = 512

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

T = TypeVar("T")

log = logging.getLogger(__name__)


class JournalError(Exception):
    """The journal cannot be opened or written; the message says which file and why."""


class Journal:
    """Append statements, read back. Thread-safe by having one thread of its own."""

    def __init__(self, path: Path, *schemas: str) -> None:
        self.path = path
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._unsettled = 0
        self._connection = self._open(path, schemas)
        self._thread = threading.Thread(target=self._write_forever, name="journal", daemon=True)
        self._thread.start()

    @staticmethod
    def _open(path: Path, schemas: Sequence[str]) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(";\n".join(("BEGIN", SCHEMA, *schemas, "COMMIT;")))
            connection.execute(
                "INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),)
            )
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('id', hex(randomblob(8)))")
            (found,) = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        except sqlite3.Error as error:
            raise JournalError(f"cannot open the journal {path}: {error}") from error
        if int(found) != SCHEMA_VERSION:
            raise JournalError(
                f"the journal {path} has schema {found}, this llmos reads {SCHEMA_VERSION}: "
                "move the file away to start afresh, or use the llmos that wrote it"
            )
        path.chmod(0o600)
        return connection

    async def commit(
        self, statements: Sequence[Statement], after: Callable[[], None] | None = None
    ) -> None:
        """All of the statements or none; returns when they would survive a power cut.

        `after` makes the same change in memory. It runs on the loop as soon as the commit is
        known, also if nobody waits for it any more: memory and journal never differ.
        """
        await self._submit(lambda connection: _execute(connection, statements), after)

    async def write(
        self,
        work: Callable[[sqlite3.Connection], T],
        after: Callable[[], None] | None = None,
    ) -> T:
        """A commit whose statements depend on what the ones before have brought."""
        return await self._submit(work, after)

    def post(self, statements: Sequence[Statement]) -> None:
        """Commit, and let nobody wait: for what may be lost. It is in line behind everything that
        was submitted before, and before everything after."""
        job = _Job(
            lambda connection: _execute(connection, statements), asyncio.get_running_loop(), None
        )
        job.future.add_done_callback(_log_failure)
        self._enqueue(job)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query in the journal's thread, behind all commits that were asked for before."""
        return await self._submit(query)

    @property
    def busy(self) -> bool:
        """Is there work whose outcome the loop has not seen yet?"""
        return self._unsettled > 0

    def close(self) -> None:
        """Finish what was submitted, fold the WAL into the file, close."""
        self._queue.put(None)
        self._thread.join()

    async def _submit(
        self, work: Callable[[sqlite3.Connection], T], after: Callable[[], None] | None = None
    ) -> T:
        job = _Job(work, asyncio.get_running_loop(), after)
        self._enqueue(job)
        # A commit that has begun cannot be taken back: a cancelled caller must not tear it.
        return await asyncio.shield(job.future)  # type: ignore[arg-type]

    def _enqueue(self, job: _Job) -> None:
        self._unsettled += 1
        job.future.add_done_callback(self._count_settled)
        self._queue.put(job)

    def _count_settled(self, _: object) -> None:
        self._unsettled -= 1

    def _write_forever(self) -> None:
        while True:
            job = self._queue.get()
            group: list[_Job] = []
            while job is not None and len(group) < MAX_GROUP:
                group.append(job)
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                if job is not None:
                    group.append(job)
            if group:
                self._run(group)
            if job is None:
                break
        self._connection.close()

    def _run(self, group: list[_Job]) -> None:
        """One transaction for the group; each job in a savepoint, so that one that is refused
        does not take the others with it."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in group:
                connection.execute("SAVEPOINT job")
                try:
                    job.result = job.work(connection)
                except Exception as error:
                    job.error = error
                    if _of_the_disk(error):
                        job.error = JournalError(f"cannot write the journal {self.path}: {error}")
                    connection.execute("ROLLBACK TO job")
                connection.execute("RELEASE job")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            failure = JournalError(f"cannot write the journal {self.path}: {error}")
            for job in group:
                job.error = job.error or failure
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        for job in group:
            job.settle()


class _Job:
    """A piece of work for the journal's thread, and where its outcome goes."""

    def __init__(
        self,
        work: Callable[[sqlite3.Connection], object],
        loop: asyncio.AbstractEventLoop,
        after: Callable[[], None] | None,
    ) -> None:
        self.work = work
        self.after = after
        self.result: object = None
        self.error: Exception | None = None
        self.future: asyncio.Future[object] = loop.create_future()
        self._loop = loop

    def settle(self) -> None:
        """In the journal's thread; the loop may be gone by then, and nobody waits any more."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if self.error is not None:
            self.future.set_exception(self.error)
            return
        try:
            if self.after is not None:
                self.after()
        except Exception as error:  # a mistake of ours; whoever waits must not wait forever
            self.future.set_exception(error)
        else:
            self.future.set_result(self.result)


def _of_the_disk(error: Exception) -> bool:
    """A full disk, an I/O error: no fault of the statement."""
    statement = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH)
    return (
        isinstance(error, sqlite3.Error)
        and getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in statement
    )


def _log_failure(future: asyncio.Future[object]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.warning("not kept: %s", error)


def _execute(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    for sql, parameters in statements:
        connection.execute(sql, parameters)
