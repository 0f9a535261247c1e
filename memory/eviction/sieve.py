"""SIEVE: oldest first, but whoever was asked for since it was last passed over is passed over.

After Zhang and others, SIEVE is simpler than LRU (NSDI 2024). There the hand moves through the
queue from one eviction to the next; here one flush takes many at once, so the hand makes one round
in each: the groups that were not asked for leave first, then the others, whose mark is thereby used
up.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import Group


class Sieve:
    def order(self, groups: Sequence[Group]) -> Sequence[Group]:
        unvisited = [group for group in groups if group.used < 0]
        visited = [group for group in groups if group.used >= 0]
        for group in visited:
            for entry in group.entries:
                entry.used = -1
        return unvisited + visited
