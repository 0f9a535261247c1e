"""The outlet: what a process says, on its way into its stdout.

What was written stands in the journal in the same commit as the draft or the page that it belongs
to. So a crash neither loses a word nor writes one twice, and a draft that goes on goes on writing
where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..memory.page import Page
from ..memory.swap import Statement
from .kernel import Kernel
from .process import Process

SAVE_EVERY_S = 0.05
"""How long a reader may wait for what was generated."""


class Outlet:
    """Of one process; it does nothing while that has no stdout."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self._kernel = kernel
        self._process = process
        self._saving = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        return self._process.stdout is not None

    @property
    def must_wait(self) -> bool:
        """Is there no room, or nobody who would read?"""
        pipe = self._process.stdout
        return pipe is not None and (pipe.full or pipe.broken)

    async def save(self, statements: Callable[[], list[Statement]]) -> None:
        """Commit the draft, and with it what it says beyond what was written. To the end, also
        when the caller is interrupted: the next commit must know what this one has written."""
        await self._kernel.to_the_end(self._save(statements))

    async def _save(self, statements: Callable[[], list[Statement]]) -> None:
        async with self._saving:
            draft = self._process.draft
            if len(draft.text) < self._process.written:
                return  # another model says it anew: the old draft tells how far the reader is
            more, put = self._writing(draft.text[self._process.written :])

            def take_place() -> None:
                put()
                self._process.written = len(draft.text)

            await self._kernel.journal.commit([*statements(), *more], take_place)

    async def page(self, page: Page) -> tuple[list[Statement], Callable[[], None]]:
        """For the commit of an assistant page: the rest of what it says, and the end of the line.
        Of one that was broken off, what the agent itself has said: the words beside it are for who
        reads its pages. No save is under way when this returns."""
        async with self._saving:
            process = self._process
            text = process.draft.text if page.interrupted else page.text
            rest = f"{text[process.written :]}\n" if text or process.written else ""
        more, put = self._writing(rest)

        def take_place() -> None:
            put()
            self._process.written = 0

        return more, take_place

    def _writing(self, text: str) -> tuple[list[Statement], Callable[[], None]]:
        pipe = self._process.stdout
        return ([], lambda: None) if pipe is None else self._kernel.writing(pipe, text)
