"""Oldest first: what was said longest ago leaves, the default.

The pages that stay are then one stretch, the conversation's latest; on traces of agents nothing
that looks at uses did better (bench/paging.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from . import Group


class Oldest:
    def order(self, groups: Sequence[Group]) -> Sequence[Group]:
        return groups
