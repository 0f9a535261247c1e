"""Eviction policies: which groups of pages leave first, a file each behind one contract.

All of them evict in batches between two watermarks, because leaving at any place costs the
recomputation of everything behind it: what a policy chooses is who survives a flush.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from ..address_space import Entry


@dataclass(frozen=True, slots=True)
class Group:
    """Pages that leave together, oldest first: a turn, or a call with its results."""

    entries: tuple[Entry, ...]

    @property
    def num_tokens(self) -> int:
        return sum(entry.num_tokens for entry in self.entries)

    @property
    def pinned(self) -> bool:
        """Is one of its pages?"""
        return any(entry.pinned for entry in self.entries)

    @property
    def newest(self) -> int:
        """The number of its newest page."""
        return self.entries[-1].page.vpn

    @property
    def used(self) -> int:
        """When one of its pages was last asked for, as the number of the newest page then; -1:
        never since it was written."""
        return max(entry.used for entry in self.entries)


class EvictionPolicy(Protocol):
    """What a policy has to offer. It keeps nothing between two calls: what it goes by is in the
    groups, so that a process is treated the same after a restart."""

    def order(self, groups: Sequence[Group]) -> Sequence[Group]:
        """The groups, oldest first, in the order in which they are to leave."""
        ...


DEFAULT = "oldest"
ENTRY_POINTS = "llmos.eviction"
"""The group under which a package offers a policy: an object that is called without arguments."""


def names() -> list[str]:
    """Of all policies that can be chosen."""
    return sorted(entry_points(group=ENTRY_POINTS).names)


def load(name: str) -> EvictionPolicy:
    """Raises ValueError, with the names there are."""
    found = list(entry_points(group=ENTRY_POINTS, name=name))
    if not found:
        raise ValueError(f"there is no eviction policy {name!r}; there are {', '.join(names())}")
    if len(found) > 1:
        owners = ", ".join(sorted(point.value for point in found))
        raise ValueError(f"the eviction policy {name!r} is offered by more than one: {owners}")
    policy: EvictionPolicy = found[0].load()()
    return policy
