"""How many tokens a text has, where only a server knows: a guess that learns from what it says.

The guess is of bytes, not characters: a byte is about the same share of a token in every script. It
is meant to be rather too high, because a page that leaves a little early costs less than a prompt
that the server refuses. That no prompt is over the window does not depend on it: a server that
refuses one says so, and then pages leave (`kernel/generation.py`).
"""

from __future__ import annotations

import math
from collections import deque

from .driver import ChatRequest

UNKNOWN = 0.4
"""Tokens a byte before anything is known; English takes about 0.23, program text 0.33."""

LEAST = 0.05
MARGIN = 1.1
FRAME_TOKENS = 8
"""Around each message, by the chat template."""

NUM_SIGHTINGS = 32
LEAST_BYTES = 64


class TokenGauge:
    """Owned by the driver."""

    def __init__(self) -> None:
        self._sightings: deque[float] = deque(maxlen=NUM_SIGHTINGS)

    def of_text(self, text: str) -> int:
        return math.ceil(len(text.encode()) * self._rate())

    def of_request(self, request: ChatRequest, tool_bytes: int) -> int:
        """Tokens of a prompt; of `tool_bytes` are the descriptions of its tools, in JSON."""
        num_bytes = self.num_bytes(request, tool_bytes)
        return math.ceil(num_bytes * self._rate()) + FRAME_TOKENS * (1 + len(request.messages))

    def learn(self, num_bytes: int, num_tokens: int) -> None:
        """So many tokens were in fact in so many bytes of a prompt."""
        if num_bytes >= LEAST_BYTES and num_tokens > 0:
            self._sightings.append(num_tokens / num_bytes)

    @staticmethod
    def num_bytes(request: ChatRequest, tool_bytes: int) -> int:
        """Of what the chat template makes a prompt."""
        said = sum(
            len(message.text.encode())
            + sum(len(call.name) + len(call.arguments.encode()) for call in message.calls)
            for message in request.messages
        )
        return said + tool_bytes

    def _rate(self) -> float:
        if not self._sightings:
            return UNKNOWN
        return max(LEAST, MARGIN * max(self._sightings))
