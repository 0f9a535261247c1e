"""The bus: who watches which process, and what they are told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from .messages import Event

Subscriber = Callable[[Event], None]


class Bus:
    """Fan-out of a process's events to whoever is attached. A subscriber must not block."""

    def __init__(self) -> None:
        self._subscribers: defaultdict[int, set[Subscriber]] = defaultdict(set)

    def attach(self, pid: int, subscriber: Subscriber) -> None:
        self._subscribers[pid].add(subscriber)

    def detach(self, pid: int, subscriber: Subscriber) -> None:
        self._subscribers[pid].discard(subscriber)
        if not self._subscribers[pid]:
            del self._subscribers[pid]

    def watched(self, pid: int) -> bool:
        return pid in self._subscribers

    def publish(self, event: Event) -> None:
        for subscriber in tuple(self._subscribers.get(event.pid, ())):
            subscriber(event)
