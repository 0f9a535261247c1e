"""How a process stands with the scheduler: for those who look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """`ahead`: waiting ones that come before it in the policy's order. In KV blocks: `kept` are
    held for it, it `needs` so many to finish its turn, and `free` are held for nobody (None: the
    engine does not say)."""

    policy: str
    state: str
    interactive: bool
    key: tuple[float, ...]
    waited_s: float
    ahead: int
    needs: int
    kept: int
    free: int | None
    attained_tokens: int
    foreseen_tokens: int
