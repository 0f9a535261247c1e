"""A trace as a workload: what its processes asked of the engine, to be asked again.

What is kept: each process's turns in tokens, the gaps between them, whose prompts begin alike, who
was made by whom after which turn, and who waited for whose end. What came from outside comes when
it came then. Not kept: why a message came when it came, and what the engine had in its cache before
the trace began. What was not finished when it ended is left out.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace

from .lives import Generation, Life, lives, ran
from .reading import Trace, TraceError
from .replay import Result
from .workload import Agent, Turn, Workload

BIRTHS = ("spawn", "fork")
WAITS = ("wait", "wait_any", "select")
SLACK_S = 0.05
"""By how much the clock of births may differ from that of syscalls."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """`result` is what it came to when it was recorded; agents as in the workload, by their
    pids."""

    workload: Workload
    result: Result
    pids: tuple[int, ...]


@dataclass(slots=True)
class _Told:
    """A life's turns, and when each began and ended."""

    life: Life
    turns: list[Turn]
    asked: list[float]
    ended: list[float]
    generations: list[Generation]
    shared: int
    begun: int  # tokens of that behind the head


def recorded(trace: Trace) -> Recorded:
    """Raises TraceError when nobody came to an answer."""
    found = [life for life in lives(trace) if any(ran(life))]
    if not found:
        raise TraceError("no generation begins and ends in this trace")
    heads = _heads(found)
    families = {head: number for number, head in enumerate(heads)}
    told = sorted((_told(life, heads) for life in found), key=lambda one: one.asked[0])
    numbers = {one.life.pid: number for number, one in enumerate(told)}
    began = min(0.0, told[0].asked[0])
    agents = tuple(
        _agent(one, told, numbers, families[one.generations[0].head], began) for one in told
    )
    workload = Workload(agents, tuple(heads.values()))
    completions = tuple(
        one.ended[-1] - one.asked[0] - idle_s(agent.turns)
        for one, agent in zip(told, agents, strict=True)
    )
    generations = [generation for one in told for generation in one.generations]
    tokens_in = sum(one.tokens_in for one in generations)
    result = Result(
        completions,
        tuple(
            one.first - one.asked
            for one in generations
            if one.interactive and one.first is not None and not one.draft_tokens
        ),
        max(one.ended[-1] for one in told) - began,
        sum(one.tokens_cached for one in generations) / max(1, tokens_in),
    )
    return Recorded(workload, result, tuple(one.life.pid for one in told))


def idle_s(turns: tuple[Turn, ...]) -> float:
    """For how long an agent had nothing to do."""
    return sum(turn.gap_s for turn in turns[:-1] if not turn.syscall)


def _heads(found: list[Life]) -> dict[int, int]:
    """Tokens of each, as they were known last, but fewer than in any prompt."""
    heads: dict[int, int] = {}
    shortest: dict[int, float] = {}
    for life in found:
        for one in ran(life):
            heads[one.head] = one.head_tokens
            shortest[one.head] = min(shortest.get(one.head, math.inf), one.tokens_in - 1)
    return {head: int(min(tokens, shortest[head])) for head, tokens in heads.items()}


def _told(life: Life, heads: dict[int, int]) -> _Told:
    generations = list(ran(life))
    head = heads[generations[0].head]
    shared = 0
    if life.forked is not None:
        shared = max(0, min(life.forked["tokens"], generations[0].tokens_in - 1))
    window = max(0, shared - head)  # what a replay's prompt has behind its head
    told = _Told(life, [], [], [], generations, shared, window)
    flushes = list(life.flushes)
    unfinished = False
    for one in generations:
        assert one.left is not None
        if unfinished and one.draft_tokens:  # the same answer goes on
            out = one.answer_tokens or one.draft_tokens + one.tokens_out
            window += out - told.turns[-1].tokens_out
            told.turns[-1] = replace(told.turns[-1], tokens_out=out)
            told.ended[-1] = one.left
        else:
            cut = 0
            while flushes and flushes[0][0] <= (one.first or 0.0):
                cut += flushes.pop(0)[1]
            cut = min(cut, window)
            window -= cut
            tokens_in = max(0, one.tokens_in - head - window)
            out = one.answer_tokens or one.tokens_out
            told.turns.append(Turn(tokens_in, out, cut=cut))
            told.asked.append(one.asked)
            told.ended.append(one.left)
            window += tokens_in + out
        unfinished = one.answer_tokens is None
    return told


def _agent(
    one: _Told, told: list[_Told], numbers: dict[int, int], family: int, began: float
) -> Agent:
    life, born = one.life, one.life.born
    turns = []
    for index, turn in enumerate(one.turns[:-1]):
        turns.append(_with_gap(one, turn, index, told, numbers))
    turns.append(one.turns[-1])
    parent, parent_turns, arrival_s = _birth(one, told, numbers)
    if parent is None and one.begun:  # what it shares with is not in the trace
        turns[0] = replace(turns[0], tokens_in=turns[0].tokens_in + one.begun)
    return Agent(
        arrival_s - began if parent is None else arrival_s,
        0.0,
        family,
        tuple(turns),
        interactive=any(generation.interactive for generation in one.generations),
        parent=parent,
        parent_turns=parent_turns,
        shared=one.shared if parent is not None and life.forked is not None else 0,
        nice=born["nice"],
        session=born["session"],
        wall_s=math.inf if born["wall_s"] is None else born["wall_s"],
    )


def _with_gap(
    one: _Told, turn: Turn, index: int, told: list[_Told], numbers: dict[int, int]
) -> Turn:
    since, until = one.ended[index], one.asked[index + 1]
    names = [gap.name for gap in one.life.betweens if since <= gap.since <= until]
    name = "(a pause)" if not names else names[-1]
    begins, waits_for = since, None
    if name in WAITS:
        ends = [
            (other.ended[-1], numbers[other.life.pid])
            for other in told
            if other.life.born["parent"] == one.life.pid and since < other.ended[-1] <= until
        ]
        if ends:
            begins, waits_for = max(ends)
    return replace(turn, syscall=name, gap_s=max(0.0, until - begins), waits_for=waits_for)


def _birth(one: _Told, told: list[_Told], numbers: dict[int, int]) -> tuple[int | None, int, float]:
    """(parent, its turns by then, seconds after them); no parent, and when it came, if it came
    from outside."""
    asked, born = one.asked[0], one.life.born
    parent = numbers.get(born["parent"])
    if parent is not None:
        above = told[parent]
        turns = bisect_right(above.ended, asked)
        calls = [gap for gap in above.life.betweens if gap.name in BIRTHS]
        for call in calls:
            ended = math.inf if call.until is None else call.until
            if turns and call.since - SLACK_S <= born["born"] <= ended + SLACK_S:
                turns = bisect_right(above.ended, call.since + 1e-6)
                if turns:
                    return parent, turns, max(0.0, asked - above.ended[turns - 1])
    return None, 0, asked
