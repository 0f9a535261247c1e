"""Page faults of one process: what came back after it had been evicted, and whether it thrashes.

A process thrashes when it keeps asking for what the last flush took from it: its working set is
larger than what it is left. After Denning, The working set model for program behavior (1968).
"""

from __future__ import annotations

from dataclasses import dataclass, field

THRASHING = 4
"""Different pages that come back between two flushes."""


@dataclass(slots=True)
class Faults:
    """`total` counts pages brought back since boot, `evictions` flushes. `refaulted` are those
    that came back since the last flush."""

    total: int = 0
    evictions: int = 0
    thrashing: bool = False
    refaulted: set[int] = field(default_factory=set)

    def came_back(self, vpn: int) -> None:
        self.total += 1
        self.refaulted.add(vpn)
        self.thrashing = self.thrashing or len(self.refaulted) >= THRASHING

    def flushed(self) -> None:
        self.evictions += 1
        self.thrashing = len(self.refaulted) >= THRASHING
        self.refaulted.clear()
