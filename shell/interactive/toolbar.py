"""The line below the prompt: `pilot · ready · 3 processes · 120 tokens/s`."""

from __future__ import annotations

import asyncio

from ..async_client import AsyncClient
from ..engine import engine_text
from ..errors import Interrupted, ShellError
from ..output import cut, harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...kernel.messages import KernelStatus

PERIOD_S = 1.0


class Toolbar:
    """Asks for the kernel's status each second, one request at a time.

    As it asks, it also finds out that a lost kernel is back.
    """

    def __init__(self, client: AsyncClient, changed: Callable[[], None]) -> None:
        self._client = client
        self._changed = changed
        self._status: KernelStatus | None = None

    async def poll(self) -> None:
        """Until it is cancelled."""
        shown = ""
        while True:
            try:
                self._status = await self._client.ask("status")
            except Interrupted:
                return
            except ShellError:
                self._status = None
            if shown != (shown := self.text(1000)):
                self._changed()
            await asyncio.sleep(PERIOD_S)

    def text(self, width: int) -> str:
        status = self._status
        if status is None:
            return cut("no kernel (boot starts one)", width)
        engine = status.engine
        parts = [
            engine.model or engine.driver,
            engine_text(engine),
            f"{status.processes} process{'' if status.processes == 1 else 'es'}",
        ]
        if engine.tokens_per_s >= 0.5:
            parts.append(f"{engine.tokens_per_s:.0f} tokens/s")
        return cut(harmless(" · ".join(parts)), width)
