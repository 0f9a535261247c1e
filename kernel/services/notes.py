"""Notes that outlive the conversation in which they were made."""

from __future__ import annotations

from ...memory.notes import find_notes, write_note
from .calling import Calling


class Notes(Calling):
    """Remember, recall."""

    async def remember(self, text: str) -> None:
        await self._kernel.journal.commit([write_note(text, self._key)])

    async def recall(self, query: str) -> list[str]:
        return await self._kernel.journal.read(lambda connection: find_notes(connection, query))
