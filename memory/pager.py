"""The pager: keeps a process's resident pages within the model's window.

Eviction goes in large batches between a high and a low watermark: each flush costs a recomputation
of all that stays, so a few large ones cost a fraction of a sliding window (bench/paging.py).
Between two flushes the prompt only grows at its end.

What is evicted is always whole: a turn (from a user message to the next one), and inside the
current turn a call together with its results. The newest user message and what follows the last
call always stay, and so does every turn with a pinned page, while pins are within the low
watermark. What leaves first are copies: pages that were recalled, which are on disk elsewhere, and
pages that the process wants no more. The policy orders the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .address_space import AddressSpace, Entry
from .blocks import rendered
from .eviction import EvictionPolicy, Group
from .eviction.oldest import Oldest


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
        chosen: dict[int, Entry] = {}
        for group in self._order(space):
            if prompt_tokens <= low:
                break
            for entry in group.entries:
                if entry.page.vpn not in chosen:
                    chosen[entry.page.vpn] = entry
                    prompt_tokens -= entry.num_tokens
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

    def _order(self, space: AddressSpace) -> Iterator[Group]:
        """What may go, in pieces that go together, in the order in which it goes."""
        groups, copies = _pieces(space.resident)
        pinned, unwanted, wanted = [], [], []
        for group in groups:
            if any(entry.pinned for entry in group.entries):
                pinned.append(group)
            elif all(entry.unwanted for entry in group.entries):
                unwanted.append(group)
            else:
                wanted.append(group)
        yield from copies
        yield from unwanted
        yield from self.policy.order(wanted)
        # More is pinned than there is room for, for instance in a smaller window than before.
        yield from pinned


def head(space: AddressSpace, leaving: int = 0) -> str:
    """What stands between the text and the conversation, when `leaving` more pages have gone."""
    gone = space.num_evicted + leaving
    stub = f"({gone} earlier messages are not shown; recall finds what they say.)" if gone else ""
    return "\n".join(part for part in (rendered(space.blocks.values()), stub) if part)


def _pieces(resident: tuple[Entry, ...]) -> tuple[list[Group], list[Group]]:
    """(turns and steps that may leave, oldest first; copies among them that may leave alone)."""
    turns: list[list[Entry]] = []
    for entry in resident:
        # A recalled page of the user's role belongs to the message that it came for.
        begins = entry.page.role == "user" and not _announced(turns)
        if begins or not turns:
            turns.append([])
        turns[-1].append(entry)
    if not turns:
        return [], []
    current = turns.pop()
    message = next((i for i, e in enumerate(current) if not _is_recalled_message(e)), len(current))
    steps: list[list[Entry]] = []
    for entry in current[message + 1 :]:
        if entry.page.role == "assistant" or not steps:
            steps.append([])
        steps[-1].append(entry)
    copies = [Group(tuple(copy)) for turn in turns for copy in _copies(turn)]
    return [Group(tuple(group)) for group in (*turns, *steps[:-1])], copies


def _announced(turns: list[list[Entry]]) -> bool:
    """Is the newest turn so far nothing but what was recalled for a message to come?"""
    return bool(turns) and all(_is_recalled_message(entry) for entry in turns[-1])


def _is_recalled_message(entry: Entry) -> bool:
    return entry.page.recalled and entry.page.role == "user"


def _copies(turn: list[Entry]) -> Iterator[list[Entry]]:
    """Recalled pages that can leave without the rest of their turn."""
    step: list[Entry] = []
    for entry in turn:
        if _is_recalled_message(entry):
            yield [entry]
        elif entry.page.role == "tool":
            step.append(entry)
        else:
            if len(step) > 1 and all(e.page.recalled for e in step[1:]):
                yield step
            step = [entry]
    if len(step) > 1 and all(entry.page.recalled for entry in step[1:]):
        yield step
