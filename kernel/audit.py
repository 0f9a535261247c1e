"""The audit: does what memory knows of pages agree with what swap holds, and swap with itself?

resident + evicted = total, for every process; no page table has a gap, no frame is without an
owner, every page is what was written.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator

from ..memory import survey
from ..memory.address_space import Entry
from ..memory.swap import read_space
from .kernel import Kernel
from .process import Process

Space = tuple[int, list[Entry], str, list[str]]


async def audit(kernel: Kernel) -> tuple[int, list[str]]:
    """(pages that were read, what is wrong, a line each)."""
    found: dict[int, Space] = {}
    problems: list[str] = []

    lives = [(process.pid, process.image) for process in kernel.table]

    def read(connection: sqlite3.Connection) -> None:
        for pid, image in lives:
            found[pid] = _stored(connection, pid, image)

    def compare() -> None:
        for pid, image in lives:
            process = kernel.table.get(pid)
            if process is not None and process.image == image:
                problems.extend(_differences(process, found[pid]))

    # As the journal settles: what was asked for before has happened in both, what comes later in
    # neither.
    await kernel.journal.write(read, compare)
    num_pages, damage = await asyncio.to_thread(_damage, kernel)
    return num_pages, [*problems, *damage]


def _stored(connection: sqlite3.Connection, pid: int, image: int) -> Space:
    space = read_space(connection, pid, image, "")
    blocks = [block.text for block in space.blocks.values()]
    return len(space), list(space.resident), space.head, blocks


def _differences(process: Process, stored: Space) -> Iterator[str]:
    space = process.space
    total, entries, head, blocks = stored
    resident = space.resident
    if len(resident) + space.num_evicted != total:
        yield (
            f"process {process.pid} knows of {len(resident)} resident and {space.num_evicted}"
            f" evicted pages; in swap it has {total}"
        )
    mine = [(one.page, one.limit_tokens, one.pinned, one.unwanted) for one in resident]
    other = [(one.page, one.limit_tokens, one.pinned, one.unwanted) for one in entries]
    if mine != other:
        yield f"the window of process {process.pid} holds other pages than swap says"
    if space.head != head:
        yield f"the prompt of process {process.pid} begins otherwise than swap says"
    if sorted(block.text for block in space.blocks.values()) != sorted(blocks):
        yield f"process {process.pid} has other blocks than swap says"


def _damage(kernel: Kernel) -> tuple[int, list[str]]:
    with survey.open_reader(kernel.config.journal) as connection:
        (num_pages,) = connection.execute("SELECT count(*) FROM page_table").fetchone()
        strangers = connection.execute(
            "SELECT DISTINCT pid FROM page_table WHERE pid NOT IN (SELECT pid FROM process)"
        )
        found = [f"there are pages of process {pid}, which never was" for (pid,) in strangers]
        return num_pages, found + list(survey.damage(connection))
