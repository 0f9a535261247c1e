"""What can be set of the run queue and its policies, beside the policy itself.

None leaves it as it is. A policy takes those that its constructor names, the run queue the others;
who takes none is none the worse.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Tokens, seconds; `level_factor` is how many times as wide as the one before a level is, and
    `keep_spreads` by how much more than syscalls of one name last in the mean blocks are kept over
    them, in mean distances from it."""

    level_tokens: int | None = None
    level_factor: float | None = None
    quantum_tokens: int | None = None
    patience_s: float | None = None
    keep_spreads: float | None = None
    longest_keep_s: float | None = None

    def given(self) -> dict[str, float]:
        """By name, without those that are left as they are."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in named.items() if value is not None}
