"""Tells an MCP client when other syscalls are offered than those that it has listed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from ..shell.errors import ShellError

LOOK_S = 1.0


class Watcher:
    """Looks at what is offered, from the first list on; `tell` is called when it is another."""

    def __init__(self, look: Callable[[], Awaitable[list[Any]]]) -> None:
        self._look = look
        self._listed: list[Any] = []
        self._tell: Callable[[], Awaitable[None]] | None = None
        self._task: asyncio.Task[None] | None = None

    def listed(self, offered: list[Any], tell: Callable[[], Awaitable[None]]) -> None:
        """The client has been given this list, and hears of another one by `tell`."""
        self._listed, self._tell = offered, tell
        if self._task is None:
            self._task = asyncio.create_task(self._watch())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(ShellError):  # a kernel that restarts is asked again
                offered = await self._look()
                if offered != self._listed and self._tell is not None:
                    self._listed = offered
                    await self._tell()
