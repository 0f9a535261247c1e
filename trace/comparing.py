"""A trace replayed: under the policy that it was recorded with, to see how true the replay is, and
under others, beside plain first come, first served."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..kernel import scheduling
from ..kernel.engine.driver import Capacity, Costs
from ..kernel.scheduling.settings import Settings
from ..kernel.tracer import Event
from .fitting import costs_of
from .reading import Trace, TraceError
from .recorded import Recorded, recorded
from .replay import CLAIRVOYANT, PLAIN, Result, simulate

FIGURES = ("mean", "p50", "p95", "p99", "makespan")


@dataclass(frozen=True, slots=True)
class Setup:
    """What a trace is replayed over; the costs are from where `source` says."""

    recorded: Recorded
    capacity: Capacity
    costs: Costs
    source: str
    policy: str
    settings: Settings

    def run(
        self,
        arm: str,
        settings: Settings | None = None,
        capacity: Capacity | None = None,
        write: Callable[[Event], None] | None = None,
    ) -> Result:
        """As it was recorded, unless something else is said."""
        return simulate(
            self.recorded.workload,
            arm,
            capacity or self.capacity,
            self.costs,
            self.settings if settings is None else settings,
            write,
        )


def setup(trace: Trace) -> Setup:
    """Raises TraceError."""
    costs, source = costs_of(trace)
    policy, settings = trace.policy
    check_policies([policy])
    return Setup(recorded(trace), trace.capacity, costs, source, policy, settings)


def check_policies(names: Sequence[str]) -> None:
    """Raises TraceError."""
    known = (PLAIN, CLAIRVOYANT, *scheduling.names())
    for name in names:
        if name not in known:
            raise TraceError(f"there is no policy {name!r}; there are {', '.join(known)}")


def row(result: Result) -> dict[str, Any]:
    """A result as one row of a table, or of a document."""
    figures: dict[str, Any] = {name: round(value, 6) for name, value in result.figures().items()}
    if result.first_tokens:
        figures["first_token"] = round(statistics.median(result.first_tokens), 6)
    return {
        **figures,
        "hit_rate": round(result.hit_rate, 4),
        "preempted": result.preemptions,
    }


def error(was: Result, replayed: Result) -> dict[str, float]:
    """How far a replay is from what was recorded: its mean and makespan as a share of what they
    were, and by how much a single completion is off in the median, as a share of it."""
    pairs = list(zip(was.completions, replayed.completions, strict=True))
    return {
        "mean_ratio": round(statistics.fmean(replayed.completions) / _some(was.completions), 4),
        "makespan_ratio": round(replayed.makespan / max(was.makespan, 1e-9), 4),
        "median_error": round(
            statistics.median(abs(now - then) / max(then, 1e-9) for then, now in pairs), 4
        ),
        "hit_rate_difference": round(replayed.hit_rate - was.hit_rate, 4),
    }


def compare(made: Setup, arms: Sequence[str]) -> dict[str, Any]:
    """The document: what was recorded, how true its replay is, and each arm beside plain."""
    rows = {arm: made.run(arm) for arm in dict.fromkeys((PLAIN, made.policy, *arms))}
    shown = dict.fromkeys((PLAIN, *arms))
    return {
        "processes": len(made.recorded.pids),
        "turns": sum(len(agent.turns) for agent in made.recorded.workload.agents),
        "costs": {"source": made.source, **asdict(made.costs)},
        "recorded": {"policy": made.policy, **row(made.recorded.result)},
        "error": error(made.recorded.result, rows[made.policy]),
        "policies": {arm: row(rows[arm]) for arm in shown},
    }


def _some(values: Sequence[float]) -> float:
    return max(statistics.fmean(values), 1e-9)
