"""The search for settings under which a recorded trace would have gone better.

Candidates are replayed in simulation, and Optuna's sampler (a tree of Parzen estimators: Bergstra
et al., 2011) says from their results which to try next. Values of the best few that make no
difference go back to what they were. Then these have to stand on variations of the trace too,
beside what was recorded, so that none of them wins by an accident of this one.

The watermarks of the window are not searched: a replay's prompts are as long as they were recorded.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING

from ..kernel.scheduling.settings import Settings
from .candidate import Candidate
from .comparing import FIGURES, Setup
from .reading import TraceError
from .replay import Result
from .workload import Agent, Workload

if TYPE_CHECKING:
    import optuna

GOALS = (*FIGURES, "first_token")
PROMISING = ("fair", "priority", "edf")
"""Policies that are chosen for what they promise, not for their speed: no other one is put in the
place of such a one, and none of them in another's."""
FAST = ("mlfq", "fifo", "round-robin")

FINALISTS = 4
VARIATIONS = 4
SHAKEN = 0.25
"""How far a gap of a variation is from what it was, in the logarithm."""
NO_WORSE = 1.002
"""A value that makes less of a difference than this makes none."""
WORTH = 1.02
"""What gains less than this is not worth a change."""
LARGEST_BATCH = 8192

Say = Callable[[int, float], None]
"""Told how many trials are done, and the best so far."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """`ratios` are what was recorded ÷ each by the goal, above 1 is better: on the trace, and on
    each variation. `finalists` are those that got so far, the best first."""

    current: Candidate
    best: Candidate
    ratios: dict[Candidate, tuple[float, ...]]
    finalists: tuple[Candidate, ...]
    trials: int


def value(result: Result, goal: str) -> float:
    """Seconds; fewer are better. Raises TraceError if there is nothing of the kind."""
    if goal != "first_token":
        return result.figures()[goal]
    if not result.first_tokens:
        raise TraceError("there is no interactive turn in this trace, so none to first_token")
    return statistics.fmean(result.first_tokens)


def tune(
    made: Setup, *, goal: str, policies: Sequence[str], trials: int, workers: int, say: Say
) -> Tuned:
    """Raises TraceError."""
    try:
        import optuna
    except ImportError:
        raise TraceError(
            "to tune takes optuna, which is not installed: pip install 'llmos[tune]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    current = Candidate.of(made)
    value(made.recorded.result, goal)
    found: dict[Candidate, float] = {}
    # Not forked: this process may have threads.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(made, goal)
    ) as pool:
        found[current] = pool.submit(_run, current, None).result()
        done = 1
        while done < trials:
            asked = [study.ask() for _ in range(min(workers, trials - done))]
            candidates = [_suggest(trial, made, policies) for trial in asked]
            results = list(pool.map(_run, candidates, [None] * len(candidates)))
            for trial, candidate, result in zip(asked, candidates, results, strict=True):
                study.tell(trial, result)
                found[candidate] = result
            done += len(asked)
            say(done, min(found.values()))
        ranked = sorted(found, key=found.__getitem__)
        finalists = [_simplest(one, current, found[one], pool) for one in ranked[:FINALISTS]]
        return _stand(made, current, finalists, done, pool)


def variations(workload: Workload) -> Iterator[Workload]:
    """The same agents; they come at other moments, and their gaps have other lengths."""
    agents = workload.agents
    apart = max(agent.arrival_s for agent in agents) / len(agents)
    for seed in range(VARIATIONS):
        rng = random.Random(seed)
        yield replace(workload, agents=tuple(_shaken(one, apart, rng) for one in agents))


def default_policies(recorded: str) -> tuple[str, ...]:
    """Those that are searched."""
    if recorded in PROMISING:
        return (recorded,)
    return tuple(dict.fromkeys((recorded, *FAST)))


def _shaken(agent: Agent, apart: float, rng: random.Random) -> Agent:
    turns = tuple(
        replace(turn, gap_s=turn.gap_s * math.exp(rng.gauss(0, SHAKEN))) for turn in agent.turns
    )
    arrival_s = agent.arrival_s
    if agent.parent is None:
        arrival_s = max(0.0, arrival_s + rng.uniform(-apart, apart))
    return replace(agent, arrival_s=arrival_s, turns=turns)


def _suggest(trial: optuna.Trial, made: Setup, policies: Sequence[str]) -> Candidate:
    """Where the search may go. The settings of one policy are nothing to another one."""
    policy = trial.suggest_categorical("policy", list(policies))
    settings = Settings()
    if policy == "mlfq":
        settings = Settings(
            level_tokens=trial.suggest_int("level_tokens", 32, 4096, log=True),
            level_factor=round(trial.suggest_float("level_factor", 1.5, 16, log=True), 1),
        )
    if policy in ("round-robin", "fair"):
        quantum_tokens = trial.suggest_int("quantum_tokens", 32, 1024, log=True)
        settings = Settings(quantum_tokens=quantum_tokens)
    if policy != "fifo":
        settings = replace(
            settings,
            patience_s=round(trial.suggest_float("patience_s", 2, 300, log=True), 1),
            keep_spreads=round(trial.suggest_float("keep_spreads", 0, 8), 1),
            longest_keep_s=round(trial.suggest_float("longest_keep_s", 0.5, 120, log=True), 1),
        )
    most = max(4 * made.capacity.max_num_seqs, 16)
    max_num_seqs = trial.suggest_int("max_num_seqs", 2, most, log=True)
    least = 1 << max(7, (max_num_seqs - 1).bit_length())
    batch = 1 << trial.suggest_int("log2_batched_tokens", 7, LARGEST_BATCH.bit_length() - 1)
    return Candidate(policy, settings, max_num_seqs, max(batch, least))


# ---- in the workers ----------------------------------------------------------------------------

_made: Setup
_goal: str


def _begin(made: Setup, goal: str) -> None:
    global _made, _goal
    _made, _goal = made, goal


def _run(candidate: Candidate, workload: Workload | None) -> float:
    return value(candidate.run(_made, workload), _goal)


# ---- the best few ------------------------------------------------------------------------------


def _simplest(
    best: Candidate, current: Candidate, seconds: float, pool: ProcessPoolExecutor
) -> Candidate:
    """With as few values as can be that differ from what was."""
    while True:
        steps = best.steps_to(current)
        results = list(pool.map(_run, steps, [None] * len(steps)))
        if not results or min(results) > seconds * NO_WORSE:
            return best
        best = steps[results.index(min(results))]


def _stand(
    made: Setup,
    current: Candidate,
    finalists: list[Candidate],
    trials: int,
    pool: ProcessPoolExecutor,
) -> Tuned:
    workloads = [None, *variations(made.recorded.workload)]
    everybody = list(dict.fromkeys((current, *finalists)))
    jobs = {one: [pool.submit(_run, one, workload) for workload in workloads] for one in everybody}
    seconds = {one: [job.result() for job in some] for one, some in jobs.items()}
    ratios = {
        one: tuple(was / now for was, now in zip(seconds[current], seconds[one], strict=True))
        for one in everybody
    }
    ranked = sorted(everybody, key=lambda one: -statistics.geometric_mean(ratios[one]))
    best = ranked[0] if statistics.geometric_mean(ratios[ranked[0]]) > WORTH else current
    others = tuple(one for one in ranked if one != current)
    return Tuned(current, best, ratios, others, trials)
