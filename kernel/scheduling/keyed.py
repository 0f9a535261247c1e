"""Policies whose order follows from each job alone: such a policy is a key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from .job import Job
from .order import Key, Order


class Keyed(ABC):
    """`Policy`, but for the key."""

    working_set = True
    preempts = True
    starves = True

    def __init__(self) -> None:
        self._order: Order[Job] = Order()

    @abstractmethod
    def key(self, job: Job) -> Key: ...

    def displaces(self, job: Job, other: Job) -> bool:
        return self.key(job) < self.key(other)

    def add(self, job: Job) -> None:
        self._order.add(self.key(job), job)

    def remove(self, job: Job) -> None:
        self._order.remove(job)

    def first(self, free: float, fits: Callable[[Job], bool] | None = None) -> Job | None:
        return self._order.first(free, fits)

    def charge(self, job: Job, tokens: int, engine_s: float) -> None:
        """It shows in the job itself."""
        return

    def yields(self, job: Job, tokens: int) -> bool:
        return False

    def level(self, job: Job) -> int:
        return 0

    def forget(self, job: Job) -> None:
        """Nothing is remembered."""
        return
