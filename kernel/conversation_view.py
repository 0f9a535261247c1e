"""What a client may see of conversations: a list, and one of them whole.

As in `memory_view.py`, it is read through connections of its own, in a thread.
"""

from __future__ import annotations

import sqlite3

from ..memory import swap
from ..memory.quoting import whole
from ..syscalls.errno import EINVAL, ESRCH
from . import conversation_records, messages
from .conversation_records import Stored
from .kernel import Kernel
from .memory_view import look

BEGINNING = 200
"""Characters of first words."""
ENDED = "ended"
AT_ONCE_CHARACTERS = 1 << 20
"""Of the pages in one reply: a client that is slow to read much more would be cut off."""
PAGES_AT_ONCE = 256
FEW = 5


# ---- which one ----------------------------------------------------------------------------


async def find(kernel: Kernel, which: str) -> Stored:
    """Raises EINVAL, EIO, ESRCH."""

    def read(connection: sqlite3.Connection) -> Stored:
        return _named(connection, which)

    return await look(kernel, read)


async def newest(kernel: Kernel, root: str, *, interactive: bool) -> Stored:
    """Of a folder, or else of all; one that was interactive, or else any. For who is not
    interactive, all are alike, but for those that are still at work on their only task. Raises
    EIO, ESRCH."""

    def read(connection: sqlite3.Connection) -> Stored:
        stored = conversation_records.read_conversations(connection)
        stored = [one for one in stored if one.by_person and not _at_work(one)]
        if not stored:
            raise ESRCH("there is no conversation to continue", hint="begin one: llmos")
        return max(
            stored,
            key=lambda one: (one.root == root, interactive and one.interactive, one.last, one.pid),
        )

    return await look(kernel, read)


def _at_work(conversation: Stored) -> bool:
    return conversation.exit_status is None and not conversation.interactive


def _named(connection: sqlite3.Connection, which: str) -> Stored:
    stored = conversation_records.read_conversations(connection)
    if which.isdecimal():
        found = [one for one in stored if int(which) in (one.id, *one.pids)]
        return found[-1] if found else _none(which)
    named = [one for one in stored if one.by_person and one.name.casefold() == which.casefold()]
    if named:
        return named[-1]
    begin = " ".join(which.split()).casefold()
    near = [
        (one, words)
        for one in stored
        if one.by_person and begin
        if (words := first_words(connection, one)).casefold().startswith(begin)
    ]
    if len(near) > 1:
        some = "; ".join(f"{one.id}: {words[:40]}" for one, words in near[: -FEW - 1 : -1])
        raise EINVAL(f"{len(near)} conversations begin with {which!r}: {some}", hint="name its pid")
    return near[0][0] if near else _none(which)


def _none(which: str) -> Stored:
    raise ESRCH(f"there is no conversation {which!r}", hint="llmos sessions lists them")


def first_words(connection: sqlite3.Connection, conversation: Stored) -> str:
    """Of its user, on one line."""
    for stored in swap.read_pages(connection, conversation.pid, conversation.image, count=FEW):
        page = stored.page
        if page.role == "user" and not page.recalled:
            return " ".join(page.text[: 4 * BEGINNING].split())[:BEGINNING]
    return ""


# ---- looking ------------------------------------------------------------------------------


async def listing(kernel: Kernel, request: messages.ListConversations) -> dict[str, object]:
    """Raises EIO."""
    states = states_of(kernel)

    def read(connection: sqlite3.Connection) -> dict[str, object]:
        stored = conversation_records.read_conversations(connection)[::-1]
        stored = [
            one
            for one in stored
            if (request.all or one.by_person) and request.root in (None, one.root)
        ]
        shown = stored[: request.limit] if request.limit > 0 else stored
        return {
            "conversations": [described(connection, one, states) for one in shown],
            "more": len(stored) - len(shown),
        }

    return await look(kernel, read)


async def info(kernel: Kernel, conversation: Stored) -> messages.ConversationInfo:
    """Raises EIO."""
    states = states_of(kernel)
    return await look(kernel, lambda connection: described(connection, conversation, states))


def states_of(kernel: Kernel) -> dict[int, str]:
    return {process.pid: process.state.value for process in kernel.table if process.alive}


def described(
    connection: sqlite3.Connection, conversation: Stored, states: dict[int, str]
) -> messages.ConversationInfo:
    pid, image = conversation.pid, conversation.image
    turns, pages, tokens = connection.execute(
        "SELECT coalesce(sum(role = 'user' AND NOT recalled), 0), count(*),"
        " coalesce(sum(num_tokens), 0)"
        " FROM page_table JOIN frame ON frame.id = page_table.frame WHERE pid = ? AND image = ?",
        (pid, image),
    ).fetchone()
    verdicts = [
        one.verdict for one in conversation_records.read_feedback(connection, pid, image).values()
    ]
    return messages.ConversationInfo(
        id=conversation.id,
        pid=pid,
        pids=list(conversation.pids),
        name=conversation.name,
        root=conversation.root,
        interactive=conversation.interactive,
        state=states.get(pid, ENDED),
        exit_status=conversation.exit_status,
        began=conversation.began,
        last=conversation.last,
        turns=turns,
        pages=pages,
        tokens=tokens,
        good=verdicts.count("good"),
        bad=verdicts.count("bad"),
        begins=first_words(connection, conversation),
    )


async def show(kernel: Kernel, which: str, first: int) -> messages.Conversation:
    """Raises EINVAL, EIO, ESRCH."""
    states = states_of(kernel)

    def read(connection: sqlite3.Connection) -> messages.Conversation:
        conversation = _named(connection, which)
        pid, image = conversation.pid, conversation.image
        feedback = conversation_records.read_feedback(connection, pid, image)
        pages: list[messages.SaidPage] = []
        room = AT_ONCE_CHARACTERS
        for stored in swap.read_pages(connection, pid, image, max(first, 0), PAGES_AT_ONCE):
            if room <= 0:
                break
            page = stored.page
            room -= len(whole(page))
            calls = [
                {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}
                for call in page.calls
            ]
            pages.append(
                messages.SaidPage(
                    page=page.vpn,
                    role=page.role,
                    text=page.text,
                    created=page.created,
                    num_tokens=page.num_tokens,
                    calls=calls,
                    call_id=page.call_id,
                    interrupted=page.interrupted,
                    recalled=page.recalled,
                    feedback=feedback.get(page.vpn),
                )
            )
        info = described(connection, conversation, states)
        end = pages[-1].page + 1 if pages else info.pages
        return messages.Conversation(info, pages, end if end < info.pages else None)

    return await look(kernel, read)


async def answer_page(kernel: Kernel, conversation: Stored, number: int | None) -> int:
    """The number of the page that feedback is of: an answer that the user has read. Raises EINVAL,
    EIO."""

    def read(connection: sqlite3.Connection) -> int:
        pid, image = conversation.pid, conversation.image
        if number is not None:
            stored = swap.read_page(connection, pid, image, number)
            if stored is None or stored.page.role != "assistant":
                raise EINVAL(
                    f"page {number} is no answer of conversation {conversation.id}",
                    hint=f"llmos sessions show {conversation.id} numbers them",
                )
            return number
        row = connection.execute(
            "SELECT page_table.vpn FROM page_table JOIN frame ON frame.id = page_table.frame"
            " WHERE pid = ? AND image = ? AND role = 'assistant' AND calls = '[]'"
            " ORDER BY page_table.vpn DESC LIMIT 1",
            (pid, image),
        ).fetchone()
        if row is None:
            raise EINVAL(f"conversation {conversation.id} has no answer yet")
        return int(row[0])

    return await look(kernel, read)
