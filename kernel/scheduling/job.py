"""The job: a process as the scheduler sees it, from its first wait for the engine to its end.

Tokens are what is counted, in blocks of the engine's KV cache where memory is meant. Demand is
foreseen from what the process itself did before, and before that from what others did that begin
with the same prompt.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..process import Process

FIRST_OUTPUT_TOKENS = 128
"""What an answer is taken to be before anyone has answered."""

INTERACTIVE_TOKENS = 2048
"""Of a turn, that a person would wait for; what takes longer is work like any other."""

WEIGHT = 0.3
"""Of the newest observation in a moving average."""

NUM_SIGHTINGS = 15


@dataclass(slots=True)
class Average:
    """Moving, of values and of their distance from it."""

    mean: float
    spread: float = 0.0
    seen: int = 0

    def add(self, value: float) -> None:
        weight = max(WEIGHT, 1 / (self.seen + 1))
        error = value - self.mean
        self.mean += weight * error
        self.spread += weight * (abs(error) * (self.seen > 0) - self.spread)
        self.seen += 1

    @property
    def high(self) -> float:
        """What four of five stay below, about."""
        return self.mean + self.spread


@dataclass(slots=True, eq=False)
class Head:
    """What the prompts of several processes begin with; the engine holds it once for all of them:
    what an agent is told and its tools, and `above` that, for forks, what their parent has read and
    said by then. How long it is, is measured; and it shows in what the engine finds in its cache of
    a process that it has never seen.
    """

    tokens: int = 0  # those of the head that it goes on from included
    above: Head | None = None  # the head that it goes on from
    holders: int = 0  # processes for which blocks are held
    users: int = 0  # processes at all
    unseen: int = 0  # tokens of a prompt that are in no page: template, tools
    outputs: Average = field(default_factory=lambda: Average(FIRST_OUTPUT_TOKENS))
    _sightings: deque[int] = field(default_factory=lambda: deque(maxlen=NUM_SIGHTINGS))

    @property
    def root(self) -> Head:
        return self if self.above is None else self.above.root

    def chain(self) -> Iterator[Head]:
        """It, and those that it goes on from."""
        head: Head | None = self
        while head is not None:
            yield head
            head = head.above

    def seen(self, tokens_cached: int) -> None:
        """The engine had so much of a new process's prompt. Nothing means that the cache was cold;
        the median, because two processes may have more in common than all of them."""
        if tokens_cached:
            self._sightings.append(tokens_cached)
            self.tokens = sorted(self._sightings)[(len(self._sightings) - 1) // 2]


@dataclass(slots=True, eq=False)
class Job:
    """Owned by the scheduler. Policies read it, and keep nothing of it but its place."""

    process: Process
    head: Head
    outputs: Average

    # of this wait
    number: int = 0  # who came first goes first
    since: float = 0.0  # when it became runnable, on the loop's clock
    place: float = 0.0  # the same, later by what its nice is worth
    interactive: bool = False  # somebody waits for it at a screen
    weight: float = 1.0  # what its session's share of the engine counts
    deadline: float = math.inf  # Unix seconds; of its limit on wall time

    # what it has had
    attained: int = 0  # tokens that it got further; an interactive one's, of this turn
    reached: int = 0  # tokens of its window that have been computed once
    level: int | None = None  # the policy's
    entered: tuple[float, int] = (0.0, 0)  # its place and number when it came to this level
    generations: int = 0

    # its working set, in KV blocks without those of its head
    tokens: int = 0  # that it has now, with its head
    need: int = 0  # to finish its turn
    held: int = 0  # that are kept for it, in the engine and over short gaps
    keep_until: float = math.inf  # how long, in a gap

    @property
    def urgent(self) -> bool:
        """Does a person wait for it, and not for longer than a person would?"""
        return self.interactive and self.attained < INTERACTIVE_TOKENS

    @property
    def lack(self) -> int:
        """Blocks that its admission would take."""
        return max(0, self.need - self.held)

    def foreseen_output(self) -> int:
        """Tokens of its next answer."""
        if not self.outputs.seen:
            return math.ceil(self.head.outputs.high)
        return math.ceil(self.outputs.high)
