"""The search in all conversations, for the user, who owns them: words to pages, pages to where they
stand.

The index (`memory/transcripts.py`) knows frames; in whose conversation one stands, the journal
says. Both are read in a thread.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sqlite3
from collections.abc import Iterable

from ..memory import survey
from ..memory.library import destroy
from ..memory.swap import SwapDamaged
from ..memory.transcripts import NoWords, Sought, Transcripts, match_of, opened
from ..syscalls.errno import EINVAL, EIO
from . import conversation_records, messages
from .conversation_view import first_words
from .kernel import Kernel

log = logging.getLogger(__name__)

INDEX = "transcripts.db"
MAX_HITS = 1000
MAX_LOOKED_AT = 20_000
"""Pages with the words, most of which may be in no conversation that is searched."""


async def search(kernel: Kernel, request: messages.SearchConversations) -> list[messages.FoundPage]:
    """Raises EINVAL, EIO."""
    try:
        match = match_of(request.query)
    except NoWords as error:
        raise EINVAL(str(error), hint='llmos search budget "next year" plan*') from None
    sought = Sought(
        match,
        tuple(request.roles),
        float("-inf") if request.since is None else request.since,
        float("inf") if request.before is None else request.before,
        newest_first=request.order == "newest",
    )
    limit = min(request.limit, MAX_HITS) if request.limit > 0 else MAX_HITS
    journal = kernel.config.journal
    database = journal.with_name(INDEX)

    def searching() -> list[messages.FoundPage]:
        try:
            return once()
        except sqlite3.OperationalError:  # a full disk, a lock: no fault of the index
            raise
        except sqlite3.DatabaseError:  # the index is damaged where nobody has looked before
            destroy(database)
            return once()

    def once() -> list[messages.FoundPage]:
        with opened(journal, database) as transcripts, survey.open_reader(journal) as connection:
            transcripts.catch_up()
            return _hits(connection, transcripts, sought, limit, everything=request.all)

    try:
        return await asyncio.to_thread(searching)
    except (sqlite3.DatabaseError, SwapDamaged) as error:
        raise EIO(str(error), hint="llmos fsck says what is damaged") from error


async def drop_from_index(kernel: Kernel) -> None:
    """What was removed is not to stay there until somebody searches."""
    journal = kernel.config.journal
    database = journal.with_name(INDEX)

    def dropping() -> None:
        if database.exists():
            with opened(journal, database) as transcripts:
                transcripts.catch_up()

    try:
        await asyncio.to_thread(dropping)
    except sqlite3.DatabaseError as error:
        log.warning("what was removed is in the index until somebody searches: %s", error)


def _hits(
    connection: sqlite3.Connection,
    transcripts: Transcripts,
    sought: Sought,
    limit: int,
    *,
    everything: bool,
) -> list[messages.FoundPage]:
    stored = conversation_records.read_conversations(connection)
    by_pid = {pid: one for one in stored if everything or one.by_person for pid in one.pids}
    words: dict[int, str] = {}
    hits: list[messages.FoundPage] = []
    for frame in itertools.islice(transcripts.frames(sought), MAX_LOOKED_AT):
        place = _place(connection, frame, by_pid.keys())
        if place is None:
            continue
        pid, vpn, role, created = place
        one = by_pid[pid]
        if one.id not in words:
            words[one.id] = first_words(connection, one)
        excerpt = transcripts.excerpt(frame, sought.match)
        hits.append(
            messages.FoundPage(
                conversation=one.id,
                pid=pid,
                page=vpn,
                role=role,
                created=created,
                excerpt=excerpt.text,
                matches=[[start, end] for start, end in excerpt.matches],
                begins=words[one.id],
                root=one.root,
            )
        )
        if len(hits) == limit:
            break
    return hits


def _place(
    connection: sqlite3.Connection, frame: int, pids: Iterable[int]
) -> tuple[int, int, str, float] | None:
    """Where a frame stands: in the newest life of the process that wrote it, or of who has it from
    there."""
    rows = connection.execute(
        "SELECT pid, page_table.vpn, role, frame.created FROM page_table"
        " JOIN frame ON frame.id = page_table.frame JOIN process USING (pid, image)"
        " WHERE page_table.frame = ? ORDER BY pid",
        (frame,),
    )
    return next((row for row in rows if row[0] in pids), None)
