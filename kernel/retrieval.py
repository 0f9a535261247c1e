"""Retrieval: what a process once said or read comes back to it, within an allowance.

It comes back as a quotation with its page number, at the end of the prompt, where nothing that the
engine has computed is disturbed: as the result of `recall`, or, unasked, before a user's message
when part of the conversation has left the window.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..memory import swap
from ..memory.address_space import AddressSpace
from ..memory.corpus import Scope
from ..memory.library import LibraryStatus, Wanted
from ..memory.recall import ALWAYS, Hit, When
from ..memory.recall_process import Recall, RecallError
from ..memory.swap import StoredPage, owner_of
from ..syscalls.errno import EINVAL, EIO
from .journal import Journal
from .process import Process

log = logging.getLogger(__name__)

CANDIDATES = 32
MAX_PAGES = 8
"""Pages that come back at once."""
ALLOWANCE_TOKENS = 512
"""Of the result of `recall`."""
PROVENANCE_TOKENS = 8
EXCERPT_CHARACTERS = 600
SIMILAR = 0.4
"""Cosine from which on a passage has to do with a question that it shares no word with; MiniLM puts
two texts about different things at 0 to 0.3."""
REMIND_TIMEOUT_S = 0.5
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"^page (\d+)[:,]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recalled:
    """A page that came back: what of it answers the question, and when it was written."""

    vpn: int
    role: str
    text: str
    created: float

    def told(self, now: float) -> str:
        """As the agent reads it; the day is said when it is not today."""
        day, today = (datetime.fromtimestamp(at, UTC).date() for at in (self.created, now))
        return f"page {self.vpn}{f', {day}' if day != today else ''}: {self.text}"


class Retrieval:
    """Of one kernel."""

    def __init__(self, journal: Journal, recall: Recall, reminder_tokens: int) -> None:
        self._journal = journal
        self._recall = recall
        self._reminder_tokens = reminder_tokens
        self._page_tokens = ALLOWANCE_TOKENS

    def fit(self, page_tokens: int) -> None:
        """Nothing that comes back may be larger than a page of the window."""
        self._page_tokens = min(self._page_tokens, page_tokens)

    async def recall(self, process: Process, query: str, when: When = ALWAYS) -> list[Recalled]:
        """What a process can no longer see and that has to do with the query, the best first.
        Raises EIO."""
        try:
            found = await self._find(process, query, when, self._page_tokens)
        except RecallError as error:
            raise EIO(str(error)) from error
        for one in found:
            process.space.faults.came_back(one.vpn)
        return found

    async def remind(self, process: Process, message: str) -> list[Recalled]:
        """The same for a message that has come, if part of the conversation has left the window;
        nothing when it cannot be had soon: the message is not kept waiting."""
        most = min(self._reminder_tokens, self._page_tokens)
        if not (most and process.space.num_evicted):
            return []
        try:
            async with asyncio.timeout(REMIND_TIMEOUT_S):
                return await self._find(process, message, ALWAYS, most, quoted(process.space))
        except TimeoutError:
            log.info("process %d is reminded of nothing: recall is busy", process.pid)
        except RecallError as error:
            log.warning("process %d is reminded of nothing: %s", process.pid, error)
        return []

    async def warm_up(self) -> None:
        """Pages have left a window: questions about them will come."""
        try:
            await self._recall.warm_up()
        except RecallError as error:
            log.warning("nothing can be recalled: %s", error)

    async def status(self) -> LibraryStatus | None:
        return await self._recall.status()

    async def close(self) -> None:
        await self._recall.close()

    async def _find(
        self, process: Process, query: str, when: When, most: int, but: Set[int] = frozenset()
    ) -> list[Recalled]:
        scopes = _out_of_sight(process)
        if not scopes:
            return []
        hits = await self._recall.search(Wanted(query, scopes, k=CANDIDATES, when=when))
        hits = [hit for hit in hits if _relevant(hit) and hit.page not in but]
        relevant = {hit.page: hit for hit in reversed(hits)}
        pid, image = process.pid, process.image
        pages = await self._journal.read(
            # A fork has its parent's pages under the same numbers, so its own table says it all.
            lambda connection: [swap.read_page(connection, pid, image, vpn) for vpn in relevant]
        )
        found = [
            (relevant[page.page.vpn], page)
            for page in reversed(pages)
            if page is not None
            and not page.resident
            and not page.unwanted
            and _says_more(page.page.text, query)
        ]
        return _within(most, found)


def _within(most: int, found: Sequence[tuple[Hit, StoredPage]]) -> list[Recalled]:
    """Those that `most` tokens hold. What says no more than a better one does is left out."""
    left = most
    chosen: list[Recalled] = []
    for hit, stored in found:
        page = stored.page
        text = excerpt(page.text, hit.matched)
        if len(chosen) == MAX_PAGES or says_the_same(text, (one.text for one in chosen)):
            continue
        tokens = page.num_tokens * len(text) // max(len(page.text), 1) + PROVENANCE_TOKENS
        if tokens <= left:
            left -= tokens
            chosen.append(Recalled(page.vpn, page.role, text, page.created))
    return chosen


def says_the_same(text: str, others: Iterable[str]) -> bool:
    """Is a text contained in one of the others, or one of them in it?"""
    mine = _plain(text)
    return any(theirs in mine or mine in theirs for theirs in map(_plain, others))


def _plain(text: str) -> str:
    return " " + " ".join(_WORD.findall(text.casefold())) + " "


def _out_of_sight(process: Process) -> tuple[Scope, ...]:
    """Whose pages, and up to which number: from there on all are resident."""
    space = process.space
    if not space.num_evicted:
        return ()
    before = len(space)
    for entry in reversed(space.resident):
        if entry.page.vpn != before - 1:
            break
        before -= 1
    own = Scope(owner_of(process.pid, process.image), before)
    origins = (Scope(origin.owner, min(origin.before, before)) for origin in space.origins)
    return (own, *origins)


def _says_more(text: str, query: str) -> bool:
    """A question that was asked before is no answer to itself."""
    return bool(text.strip()) and text.casefold().split() != query.casefold().split()


def quoted(space: AddressSpace) -> set[int]:
    """The numbers of pages that have come back and are still in sight."""
    texts = (entry.page.text for entry in space.resident if entry.page.recalled)
    return {int(number) for text in texts for number in _NUMBER.findall(text)}


def _relevant(hit: Hit) -> bool:
    return bool(hit.matched) or hit.similarity >= SIMILAR


def excerpt(text: str, words: Sequence[str], most: int = EXCERPT_CHARACTERS) -> str:
    """Of a long text, what stands around the first of the words that it has; all on one line."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    lower = text.lower()
    places = [place for word in words if (place := lower.find(word)) >= 0]
    start = max(0, min(places, default=0) - most // 3)
    start = text.rfind(" ", 0, start) + 1
    end = text.find(" ", start + most)
    end = len(text) if end < 0 else end
    return f"{'… ' if start else ''}{text[start:end]}{' …' if end < len(text) else ''}"


def parse_when(text: str, now: float) -> When:
    """`2026-05-08`, `2026-05-08..2026-05-10`, `today`, `yesterday`; nothing means always. Days
    are in UTC. Raises EINVAL."""
    if not text.strip():
        return ALWAYS
    first, dots, last = text.partition("..")
    begin = _day(first, now)
    end = _day(last, now) if dots else begin
    return When(begin.timestamp(), (end + timedelta(days=1)).timestamp())


def _day(text: str, now: float) -> datetime:
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match text.strip().lower():
        case "today":
            return today
        case "yesterday":
            return today - timedelta(days=1)
        case day:
            try:
                return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
            except ValueError:
                raise EINVAL(
                    f"when {text.strip()!r} is no day",
                    hint="2026-05-08, 2026-05-08..2026-05-10, today or yesterday",
                ) from None
