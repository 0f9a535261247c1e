"""What the kernel knows that the prompt shows while somebody types: the living processes."""

from __future__ import annotations

import asyncio

from ..errors import Interrupted, ShellError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..async_client import AsyncClient

FRESH_S = 1.0


class Known:
    """The names of the living processes by pid, as of a second ago; None while nobody has said.

    The prompt is drawn at once and never waits: it takes what is known, asks, and is drawn again
    when the answer differs.
    """

    def __init__(self, client: AsyncClient, changed: Callable[[], None]) -> None:
        self.version = 0
        """Counts the changes."""
        self._client = client
        self._changed = changed
        self._processes: Mapping[int, str] | None = None
        self._asked = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    @property
    def processes(self) -> Mapping[int, str] | None:
        now = asyncio.get_running_loop().time()
        if now - self._asked > FRESH_S and (self._asking is None or self._asking.done()):
            self._asked = now
            self._asking = asyncio.ensure_future(self._ask())
        return self._processes

    async def _ask(self) -> None:
        try:
            listed = (await self._client.ask("ps")).processes
        except (ShellError, Interrupted):
            return
        found = {info.pid: info.name or info.program for info in listed if info.exit_status is None}
        if found != self._processes:
            self._processes = found
            self.version += 1
            self._changed()
