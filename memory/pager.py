"""The pager: keeps a process's resident pages within the model's window.

Between two flushes the prompt only grows at its end, so that all of it is in the engine's prefix
cache; a flush costs the recomputation of all that stands behind the first page that leaves. So
flushes are few and large (bench/paging.py), and of two kinds:

- A *full* one lets the oldest leave, down to the low watermark. All that stays moves, and is
  computed again.
- A *small* one keeps what has outlived a flush before: it stands where it stood and is still
  cached. What came since leaves, but for the most recent. Several of them follow a full one, each
  leaving a little more, until what stays would be over the middle watermark. What a process then
  sees is the end of each stretch between two flushes, and the present one.

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
from .turn import first_steps, freed, turns, unsettled


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Shares of the window, as measured best in bench/paging.py. Over `high` pages leave: down to
    `low`, or to what was there before and `recent` of what is new, if that is not over `middle`;
    a process that thrashes keeps up to `thrashing`. One page never takes more than `page`, pinned
    ones no more than `pinned` together."""

    high: float = 1.0
    low: float = 0.45
    middle: float = 0.80
    recent: float = 0.08
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
        self.window_tokens = window_tokens
        usable = max(1, window_tokens - reserve_tokens)
        self.high_tokens = int(usable * marks.high)
        self.low_tokens = int(usable * marks.low)
        self.middle_tokens = int(usable * marks.middle)
        self.recent_tokens = int(usable * marks.recent)
        self.thrashing_tokens = int(usable * max(marks.thrashing, marks.low))
        self.page_tokens = max(16, int(usable * marks.page))
        self.pinned_tokens = int(usable * marks.pinned)
        self.policy = policy or Oldest()

    def over(self, prompt_tokens: int) -> bool:
        """Is a rendered prompt over the high watermark?"""
        return prompt_tokens > self.high_tokens

    def victims(self, space: AddressSpace, prompt_tokens: int) -> list[Entry]:
        """Who must leave for the prompt, which now has `prompt_tokens`, to be at its watermark:
        oldest first; none when nothing more can go. Nothing is changed yet."""
        leaving = _pieces(space)
        young = leaving.unsettled()
        low = self._low_of_a_small_flush(space, young, prompt_tokens)
        stale = any(entry.settled for group in leaving.first for entry in group.entries)
        if low is None or stale:  # what goes before all else is among what stood before
            low = self.thrashing_tokens if space.faults.thrashing else self.low_tokens
        else:
            leaving = young
        chosen: dict[int, Entry] = {}
        for group in (*leaving.first, *self.policy.order(leaving.wanted)):
            if prompt_tokens <= low:
                break
            prompt_tokens -= _choose(group, chosen, prompt_tokens - low)
        for group in leaving.pinned:
            # More is pinned than there is room for, for instance in a smaller window than before.
            if not self.over(prompt_tokens):
                break
            prompt_tokens -= _choose(group, chosen, prompt_tokens)
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

    def _low_of_a_small_flush(
        self, space: AddressSpace, young: _Pieces, prompt_tokens: int
    ) -> int | None:
        """To what a small flush would go down; None: a full one is due."""
        since = [entry for entry in space.resident if not entry.settled]
        nothing_stands = len(since) == len(space.resident) or head(space) != space.head
        if nothing_stands or space.faults.thrashing:
            return None
        low = prompt_tokens - freed(since) + self.recent_tokens
        may_leave = {e.page.vpn: e for g in (*young.first, *young.wanted) for e in g.entries}
        least = prompt_tokens - freed(may_leave.values())
        return low if max(low, least) <= self.middle_tokens else None


@dataclass(frozen=True, slots=True)
class _Pieces:
    """What may go, in pieces that go together: `first` in this order, then what is wanted, as the
    policy says, and what is pinned if it must be."""

    first: list[Group]
    wanted: list[Group]
    pinned: list[Group]

    def unsettled(self) -> _Pieces:
        """What of it came after the last flush and is not pinned."""

        def young(groups: list[Group]) -> list[Group]:
            pieces = (unsettled(group.entries) for group in groups)
            return [Group(piece) for piece in pieces if piece]

        return _Pieces(young(self.first), young(self.wanted), [])


def _pieces(space: AddressSpace) -> _Pieces:
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
    return _Pieces([*unwanted, *map(Group, copies)], wanted, pinned)


def _choose(group: Group, chosen: dict[int, Entry], num_tokens: int) -> int:
    """Let its pages be among the chosen, or as many as free `num_tokens`; the tokens freed."""
    left = tuple(entry for entry in group.entries if entry.page.vpn not in chosen)
    leaving = first_steps(left, num_tokens)
    chosen.update((entry.page.vpn, entry) for entry in leaving)
    return freed(leaving)


def head(space: AddressSpace, leaving: int = 0) -> str:
    """What stands between the text and the conversation, when `leaving` more pages have gone. It
    counts nothing: what need not change at a flush stays in the engine's cache."""
    gone = space.num_evicted + leaving
    stub = "(Earlier messages are not shown; recall finds what they say.)" if gone else ""
    return "\n".join(part for part in (rendered(space.blocks.values()), stub) if part)
