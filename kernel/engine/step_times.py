"""How long an engine's steps take, learned as they come: a fixed time, and more for each token;
and by that how large a step may be while a person waits for the next word."""

from __future__ import annotations

SLACK = 2.0
"""How many times as long as an empty step one may be then."""

ATTENTION_S = 60.0
"""How long after a person was last heard of the next word is waited for."""

LEAST_STEPS = 32
LEAST_TOKENS = 8
"""Of a step that is bounded."""

MEMORY = 0.99
"""Weight of the steps before a new one: the machine and the prompts change."""


class StepTimes:
    """Least squares over steps, the newer ones with more weight. Relative errors count, so that
    one long prompt does not outweigh a hundred steps of decoding."""

    def __init__(self) -> None:
        self._steps = 0
        self._w = self._x = self._y = self._xx = self._xy = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        weight = 1 / seconds**2
        self._steps += 1
        self._w = MEMORY * self._w + weight
        self._x = MEMORY * self._x + weight * tokens
        self._y = MEMORY * self._y + weight * seconds
        self._xx = MEMORY * self._xx + weight * tokens * tokens
        self._xy = MEMORY * self._xy + weight * tokens * seconds

    def short(self, most: int) -> int:
        """How many tokens a short step may have; `most` where that is not known, or where tokens
        seem to cost nothing."""
        spread = self._w * self._xx - self._x * self._x
        if self._steps < LEAST_STEPS or spread <= 1e-9 * self._w * self._xx:
            return most
        token_s = (self._w * self._xy - self._x * self._y) / spread
        step_s = (self._y - token_s * self._x) / self._w
        if token_s <= 0:
            return most
        return max(LEAST_TOKENS, min(most, int((SLACK - 1) * max(step_s, 0.0) / token_s)))
