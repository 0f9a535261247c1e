"""Recall as the kernel has it: a process of its own, which starts when something is asked for the
first time, starts again when it has died, and ends with the kernel."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from .helper_process import HelperProcess
from .library import Library, LibraryStatus, Wanted
from .recall import EXACT_PAGES, Hit

START_TIMEOUT_S = 30.0
MAX_ANSWER = 16 << 20
MAX_ATTEMPTS = 2


class RecallError(Exception):
    """Nothing could be looked for; the message says why."""


class Recall(Protocol):
    """What the kernel asks of it."""

    async def search(self, wanted: Wanted) -> list[Hit]:
        """The best pages, the best first. Raises RecallError."""

    async def status(self) -> LibraryStatus | None:
        """None while it does not run."""

    async def warm_up(self) -> None:
        """Something will be asked soon. Raises RecallError."""

    async def close(self) -> None: ...


class RecallProcess:
    """Requests are answered in order. Belongs to one event loop."""

    def __init__(self, journal: Path, model: str, exact_pages: int = EXACT_PAGES) -> None:
        self._journal = journal
        self._exact_pages = exact_pages
        self._model = model
        self._turn = asyncio.Lock()
        self._process = HelperProcess("recall_worker", MAX_ANSWER)
        self._closed = False
        self._number = 0

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid

    async def search(self, wanted: Wanted) -> list[Hit]:
        found = await self._ask(
            {
                "op": "search",
                "query": wanted.query,
                "scopes": [[scope.owner, scope.before] for scope in wanted.scopes],
                "k": wanted.k,
                "max_tokens": wanted.max_tokens,
                "when": [str(wanted.when.start), str(wanted.when.end)],
            }
        )
        return [Hit(**(hit | {"matched": tuple(hit["matched"])})) for hit in found["hits"]]

    async def status(self) -> LibraryStatus | None:
        if not self._process.alive:
            return None
        answer = await self._ask({"op": "status"})
        return LibraryStatus(**answer["status"])

    async def warm_up(self) -> None:
        if self._process.pid is None and not self._closed:
            async with self._turn:
                await self._ensure()

    async def close(self) -> None:
        self._closed = True
        await self._process.end()

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            for _ in range(MAX_ATTEMPTS):
                await self._ensure()
                reader, writer = self._process.reader, self._process.writer
                assert reader and writer
                with suppress(ConnectionError):
                    self._number += 1
                    line = json.dumps(request | {"id": self._number})
                    writer.write(line.encode() + b"\n")
                    await writer.drain()
                    # Whoever asked before and was cancelled has left an answer behind.
                    while line := (await reader.readline()).decode():
                        answer: dict[str, Any] = json.loads(line)
                        if answer["id"] == self._number:
                            return answer
                await self._process.end()  # it has died: the same goes to a new one
        raise RecallError("the recall process died twice over the same request: see the log")

    async def _ensure(self) -> None:
        if self._closed:
            raise RecallError("the kernel is halting")
        if self._process.alive:
            return
        await self._process.end()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._process.start(str(self._journal), self._model, str(self._exact_pages))
        except (OSError, TimeoutError) as error:
            await self._process.end()
            raise RecallError(f"the recall process cannot be started: {error}") from error


class LocalRecall:
    """The same in the caller's own process, by words alone: for tests, and for who has no room."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._library: Library | None = None

    async def search(self, wanted: Wanted) -> list[Hit]:
        if self._library is None:
            self._library = Library(self._journal, self._journal.with_name("recall.db"))
        return await self._library.search(wanted)

    async def status(self) -> LibraryStatus | None:
        return self._library.status() if self._library else None

    async def warm_up(self) -> None:
        pass

    async def close(self) -> None:
        if self._library is not None:
            self._library.close()
            self._library = None
