"""Least recently used first: a page that was asked for counts as if it were written then."""

from __future__ import annotations

from collections.abc import Sequence

from . import Group


class LeastRecentlyUsed:
    def order(self, groups: Sequence[Group]) -> Sequence[Group]:
        return sorted(groups, key=lambda group: max(group.newest, group.used))
