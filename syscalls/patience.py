"""Backoff: how long a plugin that crashes has to wait before it is started again."""

from __future__ import annotations

import asyncio

from .errno import EAGAIN

FIRST_S = 0.25
LONGEST_S = 30.0
WORTH_WAITING_S = 1.0
"""A call waits for so long itself; for longer it is told to come again."""


class Backoff:
    """Of one plugin. After the first crash there is no wait, after each further one in a row it is
    twice as long; a call that ends well ends it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._crashes = 0
        self._until = 0.0

    def failed(self) -> None:
        self._crashes += 1
        if self._crashes > 1:
            # Not a power of any number: it has crashed for days.
            wait_s = min(FIRST_S * 2.0 ** min(self._crashes - 2, 16), LONGEST_S)
            self._until = asyncio.get_running_loop().time() + wait_s

    def worked(self) -> None:
        self._crashes, self._until = 0, 0.0

    @property
    def wait_s(self) -> float:
        """From now on."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    async def wait(self) -> None:
        """Raises EAGAIN where that would be too long."""
        wait_s = self.wait_s
        if wait_s > WORTH_WAITING_S:
            raise EAGAIN(
                f"the plugin {self._name} has crashed {self._crashes} times in a row",
                hint=f"it is started again in {wait_s:.0f} s",
            )
        if wait_s:
            await asyncio.sleep(wait_s)
