"""By importance: what can be had again, and what was long and never asked for, leaves first.

A group's worth is what its pages are likely to be needed for, for each token that they take: words
of the user most, answers less, results of tools least, because a tool can be called again; what was
asked for again counts double; and it halves with every `HALF_LIFE` pages of age.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import Group

WORTH = {"user": 4.0, "assistant": 2.0, "tool": 1.0}
HALF_LIFE = 32
"""Pages."""


class Importance:
    def order(self, groups: Sequence[Group]) -> Sequence[Group]:
        now = groups[-1].newest if groups else 0
        return sorted(groups, key=lambda group: _worth(group, now))


def _worth(group: Group, now: int) -> float:
    worth = sum(WORTH[entry.page.role] for entry in group.entries)
    if group.used >= 0:
        worth *= 2
    age = now - max(group.newest, group.used)
    freshness: float = 0.5 ** (age / HALF_LIFE)
    return worth * freshness / max(group.num_tokens, 1)
