"""Turns: what of a conversation can leave the window without leaving a torso behind.

A turn goes from a user message to the next one. Inside it, a step is a call together with its
results; the last step is the answer. A step can leave alone, but for the last, which a message is
not left without; a chat template takes what stays for a conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .address_space import Entry

Piece = tuple[Entry, ...]

FRAME_TOKENS = 5
"""What a chat template puts around a message, roughly."""


@dataclass(slots=True)
class Turn:
    """`quoted` are pages that were recalled for the message and stand before it."""

    quoted: list[Entry] = field(default_factory=list)
    message: list[Entry] = field(default_factory=list)
    steps: list[list[Entry]] = field(default_factory=list)

    @property
    def entries(self) -> Iterator[Entry]:
        yield from self.quoted
        yield from self.message
        for step in self.steps:
            yield from step

    def held(self, vpn: int = -1) -> list[Entry]:
        """What stays of it, once it is over, when it has pinned pages, or this one is: they, the
        message and the answer."""

        def pinned(entry: Entry) -> bool:
            return entry.pinned or entry.page.vpn == vpn

        steps = [step for step in self.steps[:-1] if any(map(pinned, step))] + self.steps[-1:]
        quoted = [entry for entry in self.quoted if pinned(entry)]
        return [*quoted, *self.message, *(entry for step in steps for entry in step)]

    def pieces(self, *, past: bool) -> list[Piece]:
        """What leaves together, in the order of its pages: all of a turn that is over, unless
        something of it is pinned, or a call of it unwanted. Of the turn that is under way the
        message and the last step stay."""
        inner = self.steps[:-1]
        if not past:
            return [tuple(step) for step in inner]
        if any(entry.pinned for entry in self.entries):
            held = self.held()
            loose = [step for step in inner if not any(entry.pinned for entry in step)]
            rest = [[entry] for entry in self.quoted if not entry.pinned]
            return [tuple(held), *map(tuple, (*rest, *loose))]
        unwanted = [step for step in inner if any(entry.unwanted for entry in step)]
        alone = {entry.page.vpn for step in unwanted for entry in step}
        whole = tuple(entry for entry in self.entries if entry.page.vpn not in alone)
        return [*map(tuple, unwanted), whole]

    def copies(self) -> list[Piece]:
        """Recalled pages that can leave without the rest of the turn."""
        found: list[list[Entry]] = [[entry] for entry in self.quoted]
        found += [
            step
            for step in self.steps
            if len(step) > 1 and all(entry.page.recalled for entry in step[1:])
        ]
        return [tuple(piece) for piece in found if not any(entry.pinned for entry in piece)]


def turns(resident: Iterable[Entry]) -> list[Turn]:
    """The turns of a conversation, the oldest first; the last is under way."""
    found: list[Turn] = []
    for entry in resident:
        page = entry.page
        waits = bool(found) and not (found[-1].message or found[-1].steps)
        if (page.role == "user" and not waits) or not found:
            found.append(Turn())
        turn = found[-1]
        if page.role == "user":
            (turn.quoted if page.recalled else turn.message).append(entry)
        elif page.role == "assistant" or not turn.steps:
            turn.steps.append([entry])
        else:
            turn.steps[-1].append(entry)
    return found


def first_steps(piece: Piece, num_tokens: int) -> Piece:
    """So much of a piece as has to leave to free `num_tokens`: of a turn its first steps, where
    these are enough and others follow them; otherwise all of it."""
    steps = _steps(piece)
    if not steps or steps[0] == 0:  # no message that could stay
        return piece
    for following in steps[1:]:
        leaving = piece[steps[0] : following]
        if freed(leaving) >= num_tokens:
            return leaving
    return piece


def unsettled(piece: Piece) -> Piece:
    """What of a piece came after the last flush and may leave without the rest: all of it, or the
    steps of a turn that was under way then, but for the last one."""
    young = tuple(entry for entry in piece if not entry.settled)
    steps = _steps(young)
    if len(young) == len(piece):
        return piece
    return young[steps[0] : steps[-1]] if steps else ()


def freed(entries: Iterable[Entry]) -> int:
    """Tokens that a prompt has less without these pages."""
    return sum(entry.num_tokens + FRAME_TOKENS for entry in entries)


def _steps(piece: Piece) -> list[int]:
    """Where in a piece its steps begin."""
    return [index for index, entry in enumerate(piece) if entry.page.role == "assistant"]
