"""Notes that outlive the conversation in which they were made, and what has left its window."""

from __future__ import annotations

from ...memory.notes import find_notes, write_note
from ...syscalls.errno import EINVAL
from ..retrieval import excerpt, parse_when, says_the_same
from .calling import Calling

EVERYWHERE = "all"
MAX_PASSAGES = 5


class Notes(Calling):
    """Remember, recall."""

    async def remember(self, text: str) -> None:
        await self._kernel.journal.commit([write_note(text, self._key)])

    async def recall(self, query: str, when: str = "") -> list[str]:
        """Notes, and pages that the caller can no longer see, the best match last."""
        kernel = self._kernel
        now = kernel.clock()
        days = parse_when(when, now)
        self.effects.recalled = True
        notes = [] if when else await kernel.journal.read(lambda c: find_notes(c, query))
        pages = await kernel.retrieval.recall(self._caller, query, days)
        told = [page.told(now) for page in reversed(pages) if not says_the_same(page.text, notes)]
        return [*told, *notes]

    async def search(self, query: str, scope: str = "", when: str = "") -> list[str]:
        if not scope:
            return await self.recall(query, when)
        if when:
            raise EINVAL("when: documents are not searched by day", hint="leave it out")
        self.effects.recalled = True
        names = None if scope == EVERYWHERE else [scope]
        found = await self._kernel.knowledge.search(self._caller, query, MAX_PASSAGES, names)
        return [
            f"{one.citations[0]}: {excerpt(one.text, one.hit.matched)}" for one in reversed(found)
        ]
