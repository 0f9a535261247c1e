"""The mailbox of a process: messages that wait for it, oldest first, received selectively.

A message is in the journal from the moment it was acknowledged until the page that holds it is.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

FROM_OUTSIDE = 0
"""The sender of what a client sends."""


@dataclass(frozen=True, slots=True)
class Message:
    """Text on its way to a process; `id` is its row in the journal, `sender` a pid."""

    id: int
    text: str
    sender: int = FROM_OUTSIDE
    kind: str = "message"
    created: float = field(default_factory=time.time)


Wanted = Callable[[Message], bool]


def anything(message: Message) -> bool:
    return True


class Mailbox:
    """Bounded by whoever puts into it (`Kernel.send`)."""

    __slots__ = ("_arrivals", "_messages")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._arrivals: set[asyncio.Future[None]] | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)

    @property
    def awaited(self) -> bool:
        """Does its process wait for a message?"""
        return bool(self._arrivals)

    def put(self, message: Message) -> None:
        self._messages.append(message)
        for future in self._arrivals or ():
            if not future.done():
                future.set_result(None)

    def first(self, wanted: Wanted = anything) -> Message | None:
        """The oldest message that is wanted. It stays until it is removed."""
        return next(filter(wanted, self._messages), None)

    def remove(self, message: Message) -> None:
        self._messages.remove(message)

    async def next(self, wanted: Wanted = anything) -> Message:
        """The oldest message that is wanted, as soon as there is one. It stays, too."""
        while (message := self.first(wanted)) is None:
            await self._arrival()
        return message

    async def _arrival(self) -> None:
        """Until the next message is put in, whatever it is."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._arrivals is None:
            self._arrivals = set()
        self._arrivals.add(future)
        try:
            await future
        finally:
            self._arrivals.discard(future)
