"""An event loop on which time is virtual: a sleep takes no time, and everything is in order.

The clock jumps to the next timer as soon as nothing else can run. Work in real threads (the
journal) is waited for in real time, during which the virtual clock stands still. After trio's
MockClock with autojump.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.busy: Callable[[], bool] = lambda: False

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if events or timeout is None or timeout <= 0:
            return events or super().select(timeout if timeout is None else 0)
        while self.busy():
            events = super().select(0.001)
            if events:
                return events
        self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """`busy` says whether a real thread still works for this loop."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def watch(self, busy: Callable[[], bool]) -> None:
        self._jumping.busy = busy


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """`asyncio.run` on virtual time."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main(loop))
    finally:
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
