"""An onlooker: what some processes do, kept for one reader until it asks for it.

The reader asks, and is never sent anything: one that is slow, or has stopped, costs the kernel so
many lines and no more, and is told how many it has missed. Nothing waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from . import messages
from .arguments import LONGEST_TEXT, shortened
from .bus import Born, News, Signalled, Written
from .messages import Seen

MOST_KEPT = 2000
"""What is seen and not yet read; then the oldest is lost."""


class Onlooker:
    """Sees the calls of some processes, or that they write `pages`; with `follow` also of those
    that they start. `clock` gives Unix seconds."""

    def __init__(
        self,
        pids: Iterable[int],
        *,
        pages: bool = False,
        follow: bool = False,
        clock: Callable[[], float],
    ) -> None:
        self._pids = set(pids)
        self._pages, self._follow, self._clock = pages, follow, clock
        self._seen: deque[Seen] = deque(maxlen=MOST_KEPT)
        self._begun: dict[tuple[int, str], float] = {}
        self._lost = 0
        self._news = asyncio.Event()

    @property
    def over(self) -> bool:
        """Have they all ended?"""
        return not self._pids

    def hear(self, news: News) -> None:
        if isinstance(news, Born):
            if self._follow and news.parent in self._pids:
                self._pids.add(news.pid)
                self._born(news)
        elif news.pid not in self._pids:
            pass
        elif isinstance(news, messages.Exit):
            self._pids.discard(news.pid)
            self._begun = {key: at for key, at in self._begun.items() if key[0] != news.pid}
            self._see("exit", news.pid, status=news.status)
        elif isinstance(news, Written):
            if self._pages:
                self._see("page", news.pid)
        elif not self._pages:
            self._hear_of_a_call(news)

    def _born(self, news: Born) -> None:
        if not self._pages:
            self._see("born", news.pid, parent=news.parent, name=news.name)

    def _hear_of_a_call(self, news: News) -> None:
        match news:
            case messages.Call(pid, call_id, name, arguments):
                self._begun[pid, call_id] = self._clock()
                given = shortened(arguments)
                self._see("call", pid, call_id=call_id, name=name, arguments=given)
            case messages.Result(pid, call_id, name, ok, text, duration_s):
                begun = self._begun.pop((pid, call_id), None)
                if not duration_s and begun is not None:  # it was cut off
                    duration_s = self._clock() - begun
                self._see(
                    "result",
                    pid,
                    call_id=call_id,
                    name=name,
                    ok=ok,
                    errno="" if ok else text.partition(":")[0],
                    text=text[:LONGEST_TEXT],
                    size=len(text),
                    duration_s=duration_s,
                )
            case Signalled(pid, signal):
                self._see("signal", pid, name=signal)

    def _see(self, kind: messages.SeenKind, pid: int, **fields: Any) -> None:
        self._lost += len(self._seen) == MOST_KEPT
        self._seen.append(Seen(kind, pid, self._clock(), **fields))
        self._news.set()

    async def take(self, timeout_s: float | None) -> messages.Sight:
        """What was seen since this was asked for last; nothing after `timeout_s` without any."""
        if not self._seen and not self.over:
            self._news.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
            except TimeoutError:
                pass
        seen, lost = list(self._seen), self._lost
        self._seen.clear()
        self._lost = 0
        return messages.Sight(seen, lost, self.over)
