"""Limits: how much a process may use, soft and hard, inherited from its parent.

What is *consumed* (tokens, syscalls, engine seconds, wall seconds, pages) ends the process: at the
soft limit with a last, bounded turn (XCPU), at the hard one at once. What is *held* (children,
depth, pipes) is refused with EAGAIN when it would be too much.

A *budget* is a number of tokens that moves: a child gets its share out of its parent's, and what it
leaves returns when it ends, so that a fork bomb starves itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..syscalls.errno import EINVAL

CONSUMED = ("tokens", "syscalls", "engine_s", "wall_s", "pages")
HELD = ("children", "depth", "pipes")
RESOURCES = (*CONSUMED, *HELD)

Amount = float
Given = Mapping[str, float | list[float]]
"""As a client writes them: `{"tokens": 1000, "wall_s": [50, 60]}`, one number or [soft, hard]."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one resource. The soft limit is never above the hard one."""

    soft: Amount = math.inf
    hard: Amount = math.inf


UNLIMITED = Limit()


class Limits:
    """Immutable. A resource that is not named is unlimited."""

    __slots__ = ("_limits", "given")

    def __init__(self, limits: Mapping[str, Limit] | None = None) -> None:
        self._limits = dict(limits or {})
        self.given: Mapping[str, list[float | None]] = {
            name: [_finite(one.soft), _finite(one.hard)]
            for name, one in sorted(self._limits.items())
        }
        """For JSON: `{"tokens": [800, 1000]}`, None where there is none."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Limits) and self._limits == other._limits

    def __hash__(self) -> int:
        return hash(tuple(sorted((name, one.soft, one.hard) for name, one in self._limits.items())))

    def of(self, resource: str) -> Limit:
        return self._limits.get(resource, UNLIMITED)

    def attenuated(self, asked: Limits) -> Limits:
        """What a child gets that asks for `asked`: never more than its parent may."""
        if not self._limits:
            return asked
        if not asked._limits:
            return self
        both = self._limits.keys() | asked._limits.keys()
        return Limits({name: _smaller(self.of(name), asked.of(name)) for name in both})


NO_LIMITS = Limits()


def parse(given: Mapping[str, object]) -> Limits:
    """Limits as a client or the journal writes them. Raises EINVAL."""
    limits = {}
    for name, value in given.items():
        if name not in RESOURCES:
            raise EINVAL(f"there is no limit {name!r}", hint="there are " + ", ".join(RESOURCES))
        soft, hard = value if isinstance(value, list | tuple) and len(value) == 2 else (value,) * 2
        one = Limit(_amount(name, soft), _amount(name, hard))
        if one.soft > one.hard:
            raise EINVAL(f"limit {name}: the soft limit {soft} is above the hard one, {hard}")
        limits[name] = one
    return Limits(limits) if limits else NO_LIMITS


def _amount(name: str, value: object) -> float:
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise EINVAL(f"limit {name}: {value!r} is not a number of 0 or more")
    return float(value)


def _smaller(one: Limit, other: Limit) -> Limit:
    hard = min(one.hard, other.hard)
    return Limit(min(one.soft, other.soft, hard), hard)


def _finite(amount: float) -> float | None:
    if math.isinf(amount):
        return None
    return int(amount) if amount == int(amount) else amount
