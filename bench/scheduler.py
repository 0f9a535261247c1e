"""What the scheduler gains: agents under plain first come, first served, and under a policy.

Each load (`agent_load.py`) is drawn for each seed and run under each arm (`trace/replay.py`): on
virtual time, over an engine whose costs were measured on the real one in this run (`--costs` takes
those of the last run); and on the real engine, plain and ours by turns (A B A B).

A completion is from an agent's arrival to its last token. Ratios are plain ÷ arm, above 1 is
better, geometric means over seeds and loads. A simulated run repeats itself exactly: its `noise` is
what the choice of seeds leaves open, the standard error of the ratio as a factor. On the real
engine, noise is plain ÷ plain.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from typing import Any

from agent_load import LOADS, Load
from llmos.kernel import scheduling
from llmos.kernel.engine.batching import Costs
from llmos.kernel.engine.driver import Capacity
from llmos.trace.replay import CLAIRVOYANT, PLAIN, Replay, Result, simulate
from real_server import CAPACITY, RealServer, real_server
from report import RESULTS, report

SEEDS = 5
FIGURES = ("mean", "p50", "p95", "p99", "makespan")
REAL_LOADS = (Load("burst of 50", agents=50, tail=0.8),)
"""Heavy enough that they do not fit: a run of it is some minutes."""

Pair = dict[str, Result]
"""What each arm made of one workload."""


def measure(load: Load, seed: int, arms: Sequence[str], capacity: Capacity, costs: Costs) -> Pair:
    workload = load.draw(seed)
    return {arm: simulate(workload, arm, capacity, costs) for arm in (PLAIN, *arms)}


def logs(found: Sequence[Pair], arm: str, figure: str) -> list[float]:
    return [math.log(one[PLAIN].figures()[figure] / one[arm].figures()[figure]) for one in found]


def ratios(found: Sequence[Pair], arm: str) -> dict[str, float]:
    """Plain ÷ arm."""
    return {name: round(math.exp(statistics.fmean(logs(found, arm, name))), 3) for name in FIGURES}


def standard_error(found: Sequence[Pair], arm: str) -> dict[str, float]:
    """Of the ratios, as a factor."""
    root = math.sqrt(len(found))
    return {
        name: round(math.exp(statistics.stdev(logs(found, arm, name)) / root), 3)
        for name in FIGURES
    }


def hits(found: Sequence[Pair], arm: str) -> list[float]:
    return [round(statistics.fmean(one[a].hit_rate for one in found), 3) for a in (PLAIN, arm)]


def simulated(
    seeds: int, arms: Sequence[str], capacity: Capacity, costs: Costs, workers: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(figures, by load)"""
    by_load: dict[str, Any] = {}
    everything: list[Pair] = []
    with ProcessPoolExecutor(workers) as pool:
        pending = {
            load.name: [
                pool.submit(measure, load, seed, arms, capacity, costs) for seed in range(seeds)
            ]
            for load in LOADS
        }
        for name, futures in pending.items():
            found = [future.result() for future in futures]
            everything += found
            by_load[name] = {}
            for arm in arms:
                preempted = [sum(one[a].preemptions for one in found) for a in (PLAIN, arm)]
                row = {**ratios(found, arm), "hit_rate": hits(found, arm), "preempted": preempted}
                by_load[name][arm] = row
                print(f"{name:12} {arm:12} {json.dumps(row)}", flush=True)
    first = arms[0]
    figures = {
        **ratios(everything, first),
        "hit_rate": hits(everything, first),
        "worst_mean": min(row[first]["mean"] for row in by_load.values()),
        "noise": standard_error(everything, first) if len(everything) > 1 else None,
    }
    if CLAIRVOYANT in arms:
        figures["bound"] = ratios(everything, CLAIRVOYANT)
    return figures, by_load


async def real(server: RealServer, arm: str, rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plain and ours by turns, each load with one seed a round."""
    by_load: dict[str, Any] = {}
    everything: list[Pair] = []
    plain: list[Pair] = []
    for load in REAL_LOADS:
        found = []
        before: Result | None = None
        for round_ in range(rounds):
            workload = load.draw(round_ // 2)
            pair = {}
            for one in (PLAIN, arm):
                await server.forget_all()
                pair[one] = await Replay(workload, server, one).run()
                print(f"{load.name} round {round_} {one}: {pair[one].figures()}, "
                      f"hit rate {pair[one].hit_rate:.3f}", flush=True)  # fmt: skip
            found.append(pair)
            if before is not None and round_ % 2:
                plain.append({PLAIN: before, "again": pair[PLAIN]})
            before = pair[PLAIN]
        everything += found
        by_load[load.name] = {**ratios(found, arm), "hit_rate": hits(found, arm)}
    figures = {**ratios(everything, arm), "hit_rate": hits(everything, arm)}
    if plain:
        figures["noise"] = ratios(plain, "again")
    return figures, by_load


async def main(options: argparse.Namespace) -> None:
    arms, capacity = options.policies, CAPACITY
    figures: dict[str, Any] = {}
    details: dict[str, Any] = {}
    if options.costs:
        costs = Costs(**json.loads((RESULTS / "scheduler.json").read_text())["details"]["costs"])
    else:
        async with real_server() as server:
            costs, capacity = await server.calibrate(), server.capacity
            print(f"costs: {costs}", flush=True)
            if options.rounds:
                figures["real"], details["real"] = await real(server, arms[0], options.rounds)
    found, by_load = simulated(options.seeds, arms, capacity, costs, options.workers)
    report(
        "scheduler",
        {"policy": arms[0], **found, **figures},
        {"seeds": options.seeds, "costs": asdict(costs), "simulated": by_load, **details},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--costs", action="store_true", help="those of the last run, no engine")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--rounds", type=int, default=2, help="of both on the real engine")
    parser.add_argument("--policies", nargs="+", default=[scheduling.DEFAULT, CLAIRVOYANT])
    parser.add_argument("--workers", type=int, default=2)
    asyncio.run(main(parser.parse_args()))
