"""The pager: keeps a process's resident pages within the model's window.

Eviction goes in large batches between a high and a low watermark: each flush costs a recomputation
of all that stays, so a few large ones cost a fraction of a sliding window (bench/paging.py).
Between two flushes the prompt only grows at its end.

What is evicted is always whole (`turn.py`): a turn, or a call of it together with its results. The
newest user message and what follows the last call always stay, and so does every pinned page, with
what it cannot stand without, while that is within the high watermark. What leaves first are pages
that the process wants no more, then copies: pages that were recalled, which are on disk elsewhere.
The policy orders the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .address_space import AddressSpace, Entry
from .blocks import rendered
from .eviction import EvictionPolicy, Group
from .eviction.oldest import Oldest
from .turn import turns


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Shares of the window. One page never takes more than `page`, pinned ones no more than
    `pinned` together. A process that thrashes keeps up to `thrashing` instead of `low`."""

    high: float = 0.97
    low: float = 0.50
    page: float = 0.25
    pinned: float = 0.25
    thrashing: float = 0.80


class Pager:
    """Decides what leaves a window of `window_tokens`, of which `reserve_tokens` are kept free
    for the answer."""

    def __init__(
        self,
        window_tokens: int,
        reserve_tokens: int,
        watermarks: Watermarks | None = None,
        policy: EvictionPolicy | None = None,
    ) -> None:
        marks = watermarks or Watermarks()
        usable = max(1, window_tokens - reserve_tokens)
        self.high_tokens = int(usable * marks.high)
        self.low_tokens = int(usable * marks.low)
        self.thrashing_tokens = int(usable * max(marks.thrashing, marks.low))
        self.page_tokens = max(16, int(usable * marks.page))
        self.pinned_tokens = int(usable * marks.pinned)
        self.policy = policy or Oldest()

    def over(self, prompt_tokens: int) -> bool:
        """Is a rendered prompt over the high watermark?"""
        return prompt_tokens > self.high_tokens

    def victims(self, space: AddressSpace, prompt_tokens: int) -> list[Entry]:
        """Who must leave for the prompt, which now has `prompt_tokens`, to be at the low
        watermark: oldest first; none when nothing more can go. Nothing is changed yet."""
        low = self.thrashing_tokens if space.faults.thrashing else self.low_tokens
        free, pinned = self._order(space)
        chosen: dict[int, Entry] = {}
        for group in free:
            if prompt_tokens <= low:
                break
            prompt_tokens -= _choose(group, chosen)
        for group in pinned:
            # More is pinned than there is room for, for instance in a smaller window than before.
            if prompt_tokens <= (self.high_tokens if chosen else low):
                break
            prompt_tokens -= _choose(group, chosen)
        return [chosen[vpn] for vpn in sorted(chosen)]

    def flush(self, space: AddressSpace, prompt_tokens: int) -> list[Entry]:
        """Evict the victims; they are returned."""
        victims = self.victims(space, prompt_tokens)
        self.evict(space, victims)
        return victims

    def evict(self, space: AddressSpace, victims: Iterable[Entry]) -> None:
        """Let them leave, and write the head anew: the blocks, and a line for what has gone."""
        space.evict(victims)
        space.head = head(space)
        space.faults.flushed()

    def held_tokens(self, space: AddressSpace, vpn: int = -1) -> int:
        """Tokens that stay through every flush because a page is pinned, with what it cannot stand
        without; as if page `vpn` were pinned, too."""
        return sum(
            entry.num_tokens
            for turn in turns(space.resident)
            if any(entry.pinned or entry.page.vpn == vpn for entry in turn.entries)
            for entry in turn.held(vpn)
        )

    def _order(self, space: AddressSpace) -> tuple[list[Group], list[Group]]:
        """What may go, in pieces that go together, in the order in which it goes: first these,
        then, if it must be, what is pinned."""
        found = turns(space.resident)
        copies, unwanted, wanted, pinned = [], [], [], []
        for turn in found:
            if turn is not found[-1]:
                copies += turn.copies()
            for piece in turn.pieces(past=turn is not found[-1]):
                if any(entry.pinned for entry in piece):
                    pinned.append(Group(piece))
                elif any(entry.unwanted for entry in piece):
                    unwanted.append(Group(piece))
                else:
                    wanted.append(Group(piece))
        return [*unwanted, *map(Group, copies), *self.policy.order(wanted)], pinned


def _choose(group: Group, chosen: dict[int, Entry]) -> int:
    """Let its pages be among the chosen; the tokens that this adds."""
    new = [entry for entry in group.entries if entry.page.vpn not in chosen]
    chosen.update((entry.page.vpn, entry) for entry in new)
    return sum(entry.num_tokens for entry in new)


def head(space: AddressSpace, leaving: int = 0) -> str:
    """What stands between the text and the conversation, when `leaving` more pages have gone."""
    gone = space.num_evicted + leaving
    stub = f"({gone} earlier messages are not shown; recall finds what they say.)" if gone else ""
    return "\n".join(part for part in (rendered(space.blocks.values()), stub) if part)
