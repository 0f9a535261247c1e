"""The history of a process, turn by turn, as its pages tell it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from ..memory.page import Call, Page
from ..memory.swap import owner_of, read_owners, read_pages
from . import memory_view, messages
from .arguments import LONGEST_TEXT, arguments_of, shortened
from .kernel import Kernel
from .process import Accounting, Process
from .turns import used_at

BEGINNING = 200
"""Characters of a message and of an answer that a turn shows."""

_ERRNO = re.compile(r"(E[A-Z0-9]+): ")
"""How the result of a call begins that failed."""

Turn = list[Page]


async def history(kernel: Kernel, pid: int) -> messages.ProcessHistory:
    """Raises EIO, ESRCH."""
    return await memory_view.look(kernel, lambda connection: _read(connection, pid))


def _read(connection: sqlite3.Connection, pid: int) -> messages.ProcessHistory:
    process = memory_view.life(connection, pid)
    used = used_at(connection, pid)
    turns: list[messages.PastTurn] = []
    for image in range(process.image + 1):
        own = owner_of(pid, image)
        owners = read_owners(connection, pid, image)
        pages = [stored.page for stored in read_pages(connection, pid, image)]
        for turn in _turns(pages):
            inherited = owners[turn[0].vpn] != own
            turns.append(_turn(process, image, turn, used, inherited))
    return messages.ProcessHistory(pid, process.name, process.program, process.exit_status, turns)


def _turns(pages: Sequence[Page]) -> Iterator[Turn]:
    """From each message to the one after it. What is quoted for a message stands before it, and
    belongs to it."""
    turn: Turn = []
    for page in pages:
        begun = any(one.role != "user" or not one.recalled for one in turn)
        if page.role == "user" and begun:
            yield turn
            turn = []
        turn.append(page)
    if turn:
        yield turn


def _turn(
    process: Process,
    image: int,
    turn: Turn,
    used: Mapping[tuple[int, int], Accounting],
    inherited: bool,
) -> messages.PastTurn:
    message = next((page for page in turn if not page.recalled), turn[0])
    last = turn[-1]
    spent = None if inherited else _spent(process, (image, message.vpn), used)
    return messages.PastTurn(
        image=image,
        first_page=message.vpn,
        at=message.created,
        begins=message.text[:BEGINNING] if message.role == "user" else "",
        calls=list(_calls(turn)),
        duration_s=max(last.created - message.created, 0.0),
        outcome=_outcome(process, last),
        answer=last.text[:BEGINNING] if last.role == "assistant" and not last.calls else "",
        inherited=inherited,
        tokens_in=None if spent is None else spent.tokens_in,
        tokens_cached=None if spent is None else spent.tokens_cached,
        tokens_out=None if spent is None else spent.tokens_out,
    )


def _outcome(process: Process, last: Page) -> messages.TurnOutcome:
    if last.interrupted:
        return "interrupted"
    if last.role == "assistant" and not last.calls:
        return "done"
    return "running" if process.alive else "interrupted"


def _spent(
    process: Process, turn: tuple[int, int], used: Mapping[tuple[int, int], Accounting]
) -> Accounting | None:
    """In that turn; None if nobody noted when it began."""
    if turn not in used:
        return None
    later = min((key for key in used if key > turn), default=None)
    return (process.accounting if later is None else used[later]).less(used[turn])


# ---- calls -----------------------------------------------------------------------------------


def _calls(turn: Turn) -> Iterator[messages.PastCall]:
    answers = {page.call_id: page for page in turn if page.role == "tool"}
    for page in turn:
        for call in page.calls:
            yield _call(call, page, answers.get(call.call_id))


def _call(call: Call, asks: Page, answer: Page | None) -> messages.PastCall:
    text = "" if answer is None else answer.text
    failed = _ERRNO.match(text)
    return messages.PastCall(
        call_id=call.call_id,
        name=call.name,
        arguments=shortened(arguments_of(call.arguments)),
        at=asks.created,
        duration_s=None if answer is None else max(answer.created - asks.created, 0.0),
        errno=failed[1] if failed else "",
        text=text[:LONGEST_TEXT],
        size=len(text),
    )
