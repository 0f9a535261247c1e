"""The pager: keeps a process's resident pages within the model's window.

Eviction goes in large batches, from the oldest page on, between a high and a low watermark: each
flush costs a recomputation of all that stays, so a few large ones cost a fraction of a sliding
window (0.16 of its recomputed tokens at 97 → 50 %, measured on vLLM's prefix cache). Between two
flushes the prompt only grows at its end.

What is evicted is always whole: a turn (from a user message to the next one), and inside the
current turn a call together with its results. The newest user message and what follows the last
call always stay.
"""

from __future__ import annotations

from dataclasses import dataclass

from .address_space import AddressSpace, Entry


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Shares of the window. One page never takes more than `page`."""

    high: float = 0.97
    low: float = 0.50
    page: float = 0.25


class Pager:
    """Decides what leaves a window of `window_tokens`, of which `reserve_tokens` are kept free
    for the answer."""

    def __init__(
        self, window_tokens: int, reserve_tokens: int, watermarks: Watermarks | None = None
    ) -> None:
        marks = watermarks or Watermarks()
        usable = max(1, window_tokens - reserve_tokens)
        self.high_tokens = int(usable * marks.high)
        self.low_tokens = int(usable * marks.low)
        self.page_tokens = max(16, int(usable * marks.page))

    def over(self, prompt_tokens: int) -> bool:
        """Is a rendered prompt over the high watermark?"""
        return prompt_tokens > self.high_tokens

    def flush(self, space: AddressSpace, prompt_tokens: int) -> list[Entry]:
        """Evict until the prompt, which now has `prompt_tokens`, is at the low watermark.

        Returns the entries that went, oldest first; none when nothing more can go.
        """
        evicted: list[Entry] = []
        for group in self._victims(space):
            if prompt_tokens <= self.low_tokens:
                break
            for entry in group:
                space.evict(entry)
                prompt_tokens -= entry.num_tokens
                evicted.append(entry)
        return evicted

    def _victims(self, space: AddressSpace) -> list[list[Entry]]:
        """What may go, oldest first, in pieces that go together."""
        resident = list(space.resident())
        turns: list[list[Entry]] = []
        for entry in resident:
            if entry.page.role == "user" or not turns:
                turns.append([])
            turns[-1].append(entry)
        if not turns:
            return []
        steps: list[list[Entry]] = []
        for entry in turns[-1][1:]:
            if entry.page.role == "assistant" or not steps:
                steps.append([])
            steps[-1].append(entry)
        return turns[:-1] + steps[:-1]
