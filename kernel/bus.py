"""The bus: who is told what processes do.

Who is attached to a process gets its events, and is taken for somebody who waits for it at a screen
(`watched`). An onlooker hears the same and a little more, of all processes, and changes nothing:
nobody goes first, and nobody's tokens come one by one, because somebody looks on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from .messages import Event


@dataclass(frozen=True, slots=True)
class Born:
    """A process has come to be."""

    pid: int
    parent: int
    name: str


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal reaches a process, by its name."""

    pid: int
    signal: str


@dataclass(frozen=True, slots=True)
class Written:
    """A process has another page."""

    pid: int


News = Event | Born | Signalled | Written

Subscriber = Callable[[Event], None]
Onlooking = Callable[[News], None]


class Bus:
    """Fan-out of a process's events to whoever is attached, and of all news to onlookers. Neither
    may block."""

    def __init__(self) -> None:
        self._subscribers: defaultdict[int, set[Subscriber]] = defaultdict(set)
        self._onlookers: tuple[Onlooking, ...] = ()

    def attach(self, pid: int, subscriber: Subscriber) -> None:
        self._subscribers[pid].add(subscriber)

    def detach(self, pid: int, subscriber: Subscriber) -> None:
        self._subscribers[pid].discard(subscriber)
        if not self._subscribers[pid]:
            del self._subscribers[pid]

    def look_on(self, onlooker: Onlooking) -> Callable[[], None]:
        """Hear of everything from now on, until what is returned is called."""
        self._onlookers += (onlooker,)

        def look_away() -> None:
            self._onlookers = tuple(one for one in self._onlookers if one is not onlooker)

        return look_away

    def watched(self, pid: int) -> bool:
        return pid in self._subscribers

    def num_watching(self, pid: int) -> int:
        return len(self._subscribers.get(pid, ()))

    def publish(self, event: Event) -> None:
        for subscriber in tuple(self._subscribers.get(event.pid, ())):
            subscriber(event)
        self.tell(event)

    def tell(self, news: News) -> None:
        """Onlookers alone."""
        for onlooker in self._onlookers:
            onlooker(news)
