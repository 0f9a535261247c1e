"""A workload: what agents ask of an engine, apart from who serves them.

A turn's tokens are told by their numbers alone. Which of them stood in a prompt before is known
all the same: an agent's prompt begins with the head of its family, or with what its parent had
said and read when it was forked, and grows by its own turns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .reading import TraceError


@dataclass(frozen=True, slots=True)
class Turn:
    """A generation: so many tokens come with it (a task, a syscall's result), so many are
    generated, and then a syscall takes a while; without a name, nothing is to be done for so long.
    If it `waits_for` another agent, by its number, the gap begins at that one's end.

    `cut` tokens, the oldest behind the head, have left the prompt before it.
    """

    tokens_in: int
    tokens_out: int
    syscall: str = ""
    gap_s: float = 0.0
    waits_for: int | None = None
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Agent:
    """`arrival_s` from the beginning of the workload; where agents follow each other, `think_s`
    after the one before. One that another agent has made, `parent`, arrives so long after that
    one's first `parent_turns` turns; of a fork, `shared` tokens of its prompt are its parent's."""

    arrival_s: float
    think_s: float
    family: int
    turns: tuple[Turn, ...]
    interactive: bool = False
    parent: int | None = None
    parent_turns: int = 0
    shared: int = 0
    nice: int = 0
    session: int = 0
    wall_s: float = math.inf  # that it may live

    @property
    def tokens(self) -> int:
        """Of all turns, without its family's head."""
        return sum(turn.tokens_in + turn.tokens_out for turn in self.turns)

    def longest(self, head: int) -> int:
        """Tokens of its longest prompt with the answer to it; its family's head has `head`."""
        tokens = longest = max(head, self.shared)
        for turn in self.turns:
            tokens += turn.tokens_in + turn.tokens_out - turn.cut
            longest = max(longest, tokens)
        return longest


@dataclass(frozen=True, slots=True)
class Workload:
    """`heads`: the tokens that the prompts of each family begin with. `at_once`: so many agents at
    a time, each followed by the next one in the list; 0: each comes when it comes."""

    agents: tuple[Agent, ...]
    heads: tuple[int, ...]
    at_once: int = 0

    def check(self, kv_cache_tokens: int) -> None:
        """Raises TraceError if an engine with so much memory (0: endless) can never serve an agent
        to its end: it would compute for ever what does not fit."""
        for number, agent in enumerate(self.agents):
            longest = agent.longest(self.heads[agent.family])
            if 0 < kv_cache_tokens < longest:
                raise TraceError(
                    f"agent {number} needs {longest:,} tokens at once, and the engine's memory"
                    f" holds {kv_cache_tokens:,}: no engine could serve it"
                )
