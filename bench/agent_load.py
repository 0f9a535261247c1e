"""Loads of many agents, as a scheduler meets them: heavy tails, shared beginnings, gaps.

Everything about an agent is drawn beforehand, from the seed alone, so that every arm meets the same
agents. As in the traces of real ones, an agent's prompt begins with what all of its kind are told,
results are longer than answers, and most agents are done after a turn or two while a few take
thirty.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from llmos.trace.workload import Agent, Turn, Workload


@dataclass(frozen=True, slots=True)
class Load:
    """`at_once`: so many agents at a time, each followed by the next one after `think_s` in the
    mean. Else they arrive at random, `rate` a second in the mean, `fan` of one family together;
    with no rate, all at once. Ranges are of tokens, `tools` of seconds in the mean."""

    name: str
    agents: int = 150
    at_once: int = 0
    think_s: float = 0.0
    rate: float = 0.0
    fan: int = 1
    families: int = 4
    head: int = 600
    task: tuple[int, int] = (30, 200)
    result: tuple[int, int] = (50, 500)
    answer: tuple[int, int] = (20, 150)
    most_turns: int = 30
    tail: float = 1.1
    tools: dict[str, float] = field(
        default_factory=lambda: {"read": 0.1, "search": 0.5, "fetch": 2.0}
    )

    def draw(self, seed: int) -> Workload:
        rng = random.Random(f"{self.name} {seed}")
        agents, now, family = [], 0.0, 0
        counts = self._counts(rng)
        for number in range(self.agents):
            if number % self.fan == 0:
                family = rng.randrange(self.families)
                if self.rate:
                    now += rng.expovariate(self.rate / self.fan)
            think_s = rng.expovariate(1 / self.think_s) if self.think_s else 0.0
            agents.append(Agent(now, think_s, family, self._turns(rng, counts[number])))
        return Workload(tuple(agents), (self.head,) * self.families, self.at_once)

    def _counts(self, rng: random.Random) -> list[int]:
        """Of turns: the quantiles of a Pareto distribution in a random order. Drawn one by one, a
        few large ones would make one seed a heavy load and the next one none."""
        quantiles = ((number + 0.5) / self.agents for number in range(self.agents))
        counts = [min(self.most_turns, int((1 - q) ** (-1 / self.tail))) for q in quantiles]
        rng.shuffle(counts)
        return counts

    def _turns(self, rng: random.Random, count: int) -> tuple[Turn, ...]:
        turns = []
        for index in range(count):
            tool = rng.choice(sorted(self.tools))
            come = self.result if index else self.task
            gap_s = rng.expovariate(1 / self.tools[tool])
            turns.append(Turn(rng.randint(*come), rng.randint(*self.answer), tool, gap_s))
        return tuple(turns)


LOADS = (
    Load("open", rate=1.0),
    Load("families", agents=160, rate=1.0, fan=8),
    Load("closed", at_once=32, think_s=5.0),
    Load("burst", agents=100),
    Load("long tools", at_once=40, think_s=5.0, tools={"read": 0.3, "search": 2.0, "build": 8.0}),
)
