"""Notes that outlive the conversation in which they were made, and what has left its window."""

from __future__ import annotations

from ...memory.notes import find_notes, write_note
from ..retrieval import parse_when, says_the_same
from .calling import Calling


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
