"""A stream: what comes of a process, in its order, for one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Stream(Generic[T]):
    """An asynchronous iterator that is fed from outside. Of items that nobody has read, at most
    `kept` are kept, if that is given: the newest."""

    def __init__(self, kept: int | None = None) -> None:
        self._items: deque[T] = deque(maxlen=kept)
        self._news = asyncio.Event()
        self._over = False

    def put(self, item: T) -> None:
        self._items.append(item)
        self._news.set()

    def end(self) -> None:
        self._over = True
        self._news.set()

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()
