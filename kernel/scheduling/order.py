"""An order of jobs in which the first that fits is found without looking at all of them.

A list of short sorted shelves, each of which knows the least that one of its jobs needs. To add, to
remove and to find take the square root of their number, in steps so small that for thousands of
jobs this is faster than a tree would be.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, Protocol, TypeVar

Key = tuple[float, ...]


class Placed(Hashable, Protocol):
    """What can be put in order: a job, as a rule."""

    @property
    def number(self) -> int:
        """Its place among those of the same key; no two have the same."""
        ...

    @property
    def lack(self) -> int:
        """Blocks that its admission would take."""
        ...


J = TypeVar("J", bound=Placed)
Place = tuple[Key, float]

SHELF = 64


class Order(Generic[J]):
    """Each job once, by its key, and by its number where keys are equal."""

    def __init__(self) -> None:
        self._shelves: list[list[tuple[Key, float, J]]] = []
        self._last: list[Place] = []  # of each shelf
        self._least: list[int] = []  # what the most frugal job of each shelf lacks
        self._entries: dict[J, tuple[Key, float, J]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, job: J) -> bool:
        return job in self._entries

    def __iter__(self) -> Iterator[tuple[Key, J]]:
        for shelf in self._shelves:
            for key, _, job in shelf:
                yield key, job

    def add(self, key: Key, job: J) -> None:
        """What the job lacks must not change until it is removed."""
        entry: tuple[Key, float, J] = (key, job.number, job)
        self._entries[job] = entry
        if not self._shelves:
            self._insert(0, [entry])
            return
        index = min(bisect_left(self._last, entry[:2]), len(self._shelves) - 1)
        shelf = self._shelves[index]
        insort(shelf, entry)
        self._last[index] = shelf[-1][:2]
        self._least[index] = min(self._least[index], job.lack)
        if len(shelf) > SHELF:
            half = shelf[SHELF // 2 :]
            del shelf[SHELF // 2 :]
            self._note(index)
            self._insert(index + 1, half)

    def remove(self, job: J) -> None:
        entry = self._entries.pop(job)
        index = bisect_left(self._last, entry[:2])
        shelf = self._shelves[index]
        del shelf[bisect_left(shelf, entry[:2], key=_place)]
        if not shelf:
            del self._shelves[index], self._last[index], self._least[index]
        elif job.lack > self._least[index]:
            self._last[index] = shelf[-1][:2]
        else:
            self._note(index)

    def first(self, free: float, fits: Callable[[J], bool] | None = None) -> J | None:
        """The first that lacks no more than `free` blocks, and of which `fits` holds."""
        for shelf, least in zip(self._shelves, self._least, strict=True):
            if least <= free:
                for _, _, job in shelf:
                    if job.lack <= free and (fits is None or fits(job)):
                        return job
        return None

    @property
    def least(self) -> int:
        """What the most frugal of all lacks. Of an empty order there is none."""
        return min(self._least)

    def after(self, key: Key) -> Key | None:
        """The first key that is greater."""
        place = (key, math.inf)
        index = bisect_left(self._last, place)
        if index == len(self._shelves):
            return None
        shelf = self._shelves[index]
        return shelf[bisect_left(shelf, place, key=_place)][0]

    def backwards(self) -> Iterator[tuple[Key, J]]:
        """From the last to the first."""
        for shelf in reversed(self._shelves):
            for key, _, job in reversed(shelf):
                yield key, job

    def _insert(self, index: int, shelf: list[tuple[Key, float, J]]) -> None:
        self._shelves.insert(index, shelf)
        self._last.insert(index, ((), 0))
        self._least.insert(index, 0)
        self._note(index)

    def _note(self, index: int) -> None:
        shelf = self._shelves[index]
        self._last[index] = shelf[-1][:2]
        self._least[index] = min(job.lack for _, _, job in shelf)


def _place(entry: tuple[Key, float, Placed]) -> Place:
    return entry[:2]
