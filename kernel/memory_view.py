"""What a client may see of memory: page tables, and what they take on disk.

It is read through a connection of its own, in a thread: a look at ten thousand pages must not keep
a commit waiting.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..memory import survey
from ..memory.quoting import whole
from ..memory.recall_process import RecallError
from ..memory.swap import StoredPage, SwapDamaged
from ..syscalls.errno import EIO, ESRCH
from . import messages
from .kernel import Kernel
from .process import Process
from .records import read_process

T = TypeVar("T")

RECALL_TIMEOUT_S = 2.0
BEGINNING = 80
"""Characters of a page that its row shows."""


async def look(kernel: Kernel, read: Callable[[sqlite3.Connection], T]) -> T:
    """Read swap as it is committed by now. Raises EIO."""

    def reading() -> T:
        with survey.open_reader(kernel.config.journal) as connection:
            return read(connection)

    try:
        return await asyncio.to_thread(reading)
    except (sqlite3.DatabaseError, SwapDamaged) as error:
        raise EIO(str(error), hint="llmos fsck says what is damaged") from error


def life(connection: sqlite3.Connection, pid: int) -> Process:
    """A process as it stands in the journal, reaped or not. Raises ESRCH."""
    record = read_process(connection, pid)
    if record is None:
        raise ESRCH(f"no process {pid}, and there never was one")
    return record


async def pages(kernel: Kernel, pid: int) -> messages.PageTable:
    """Raises EIO, ESRCH."""

    def read(connection: sqlite3.Connection) -> messages.PageTable:
        process = life(connection, pid)
        image = process.image
        found = survey.pages_with_users(connection, pid, image)
        return messages.PageTable(
            pid=pid,
            name=process.name,
            pages=[_row(page, users) for page, users in found],
            flushes=[
                messages.FlushRow(one.created, one.tokens_before, one.tokens_after, one.num_pages)
                for one in survey.flushes(connection, pid, image)
            ],
            window_tokens=kernel.pager.high_tokens if kernel.pager else None,
        )

    return await look(kernel, read)


def _row(stored: StoredPage, users: int) -> messages.PageRow:
    page = stored.page
    return messages.PageRow(
        vpn=page.vpn,
        role=page.role,
        num_tokens=page.num_tokens,
        shown_tokens=stored.entry().num_tokens,
        processes=users,
        pinned=stored.pinned,
        unwanted=stored.unwanted,
        recalled=page.recalled,
        created=page.created,
        left=stored.evicted,
        begins=" ".join(whole(page)[: 4 * BEGINNING].split())[:BEGINNING],
    )


async def usage(kernel: Kernel) -> messages.MemoryUsage:
    """Raises EIO."""
    names = {process.pid: process.name for process in kernel.table}
    recall = await _recall(kernel)

    def read(connection: sqlite3.Connection) -> messages.MemoryUsage:
        frames, text_bytes = survey.swap_size(connection)
        journal = kernel.config.journal
        return messages.MemoryUsage(
            processes=[
                messages.SpaceUsage(
                    one.pid,
                    names.get(one.pid, "(ended)"),
                    one.pages,
                    one.resident_tokens,
                    one.evicted_tokens,
                    one.bytes,
                    one.own_bytes,
                )
                for one in survey.footprints(connection)
            ],
            frames=frames,
            text_bytes=text_bytes,
            swap_bytes=_size(journal),
            index_bytes=_size(journal.with_name("recall.db"))
            + _size(journal.with_name("transcripts.db")),
            chroma_bytes=_size(journal.with_name("chroma")),
            recall=recall,
        )

    return await look(kernel, read)


async def _recall(kernel: Kernel) -> messages.RecallUsage | None:
    """None while it does not run, or has more important things to do."""
    try:
        async with asyncio.timeout(RECALL_TIMEOUT_S):
            found = await kernel.retrieval.status()
    except (TimeoutError, RecallError):
        return None
    if found is None:
        return None
    return messages.RecallUsage(
        found.pages,
        found.behind,
        found.unembedded,
        found.rebuilding,
        found.rebuilt,
        found.to_rebuild,
        found.trouble,
    )


def _size(path: Path) -> int:
    """Of a database with what belongs to it, or of all files in a folder; 0 where there is none."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    files = (path, Path(f"{path}-wal"), Path(f"{path}-shm"))
    return sum(file.stat().st_size for file in files if file.exists())
