"""`llmos tune`: the search, its progress, the trial on the real engine, and the file with the
evidence."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..kernel.config import PILOT
from ..kernel.engine.driver import EngineUnusable
from . import comparing, tuning
from .candidate import Candidate
from .comparing import Setup
from .reading import Trace, TraceError, read
from .replay import PLAIN, Replay, Result

TRIALS = 100


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-o", "--output", type=Path, default=Path("kernel.toml"), metavar="OUT",
        help="the file to write, which must not be there (default: %(default)s)")  # fmt: skip
    add("--goal", choices=tuning.GOALS, default="mean",
        help="what is to become shorter (default: %(default)s)")  # fmt: skip
    add("--policy", action="append", metavar="P", help="search that one; may be repeated")
    add(
        "--trials", type=_count, default=TRIALS, help="replays in simulation (default: %(default)s)"
    )
    add("--real", type=_count, default=0, metavar="N",
        help="replay the best N on the real engine, too")  # fmt: skip
    add("--model", help="for --real (default: the recorded one)")
    add("--workers", type=_count, default=os.cpu_count() or 1, help="processes that search")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Raises TraceError."""
    output: Path = options.output
    if output.exists():
        raise TraceError(f"{output} is there already; name another file with -o")
    trace = read(options.file)
    made = comparing.setup(trace)
    policies = options.policy or tuning.default_policies(made.policy)
    comparing.check_policies(policies)
    if PLAIN in policies:
        raise TraceError("plain has no scheduler that could be set")
    tuned = _search(made, options, policies)
    real = _on_the_real_engine(trace, made, tuned, options) if options.real else None
    best = tuned.best if real is None else real["best"]
    document = _document(made, tuned, best, real, options)
    text = best.toml(_evidence(document, options))
    try:
        output.write_text(text)
    except OSError as error:
        raise TraceError(f"{output} cannot be written: {error.strerror}") from None
    return document, text


def _search(made: Setup, options: argparse.Namespace, policies: Sequence[str]) -> tuning.Tuned:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("best {task.fields[best]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=options.trials, best="-")
        return tuning.tune(
            made,
            goal=options.goal,
            policies=policies,
            trials=options.trials,
            workers=options.workers,
            say=lambda done, best: bar.update(task, completed=done, best=f"{best:.3f} s"),
        )


# ---- for real ----------------------------------------------------------------------------------


def _on_the_real_engine(
    trace: Trace, made: Setup, tuned: tuning.Tuned, options: argparse.Namespace
) -> dict[str, Any]:
    """What was recorded first and last, the candidates in between, each on an engine of its own."""
    is_real = trace.header["driver"] == "vllm"
    model: str = options.model or (trace.header["model"] if is_real else PILOT)
    tried = tuned.finalists[: options.real]
    seconds: list[float] = []
    for one in (tuned.current, *tried, tuned.current):
        print(f"on the real engine: {one.tables()}", file=sys.stderr, flush=True)
        try:
            result = asyncio.run(_replay(made, one, model))
        except EngineUnusable as error:
            raise TraceError(f"the real engine cannot run: {error}") from None
        seconds.append(tuning.value(result, options.goal))
        print(f"  {options.goal} {seconds[-1]:.3f} s", file=sys.stderr, flush=True)
    first, *rest, last = seconds
    was = min(first, last)  # what is better by less than these two differ is noise
    ranked = sorted(zip(rest, tried, strict=True), key=lambda pair: pair[0])
    best = ranked[0][1] if ranked and ranked[0][0] < was else tuned.current
    return {
        "model": model,
        "current_s": [first, last],
        "candidates": [{**one.tables(), "seconds": took} for took, one in ranked],
        "best": best,
        "ratio": was / ranked[0][0] if best != tuned.current else 1.0,
    }


async def _replay(made: Setup, candidate: Candidate, model: str) -> Result:
    from .vllm_server import serving

    def progress(words: str) -> None:
        print(f"  {words}", file=sys.stderr, flush=True)

    async with serving(model, candidate.capacity(made.capacity), progress) as server:
        workload = made.recorded.workload
        return await Replay(workload, server, candidate.policy, candidate.settings).run()


# ---- what came of it ---------------------------------------------------------------------------


def _document(
    made: Setup,
    tuned: tuning.Tuned,
    best: Candidate,
    real: dict[str, Any] | None,
    options: argparse.Namespace,
) -> dict[str, Any]:
    now, then = best.run(made), tuned.current.run(made)
    return {
        "goal": options.goal,
        "trials": tuned.trials,
        "costs": made.source,
        "processes": len(made.recorded.pids),
        "recorded": comparing.row(made.recorded.result),
        "error": comparing.error(made.recorded.result, then),
        "simulated": {
            "plain": comparing.row(made.run(PLAIN)),
            "current": comparing.row(then),
            "best": comparing.row(now),
        },
        "ratios": [round(one, 4) for one in tuned.ratios[best]],
        "current": tuned.current.tables(),
        "best": best.tables(),
        "changed": best != tuned.current,
        "real": None if real is None else {**real, "best": real["best"].tables()},
        "output": str(options.output),
    }


def _evidence(document: dict[str, Any], options: argparse.Namespace) -> list[str]:
    goal, simulated, ratios = document["goal"], document["simulated"], document["ratios"]
    when = datetime.now(UTC).isoformat(timespec="seconds")
    figures = {name: row[goal] for name, row in simulated.items()}
    lines = [
        f"Found by llmos tune on {when} from {options.file.name}: {document['processes']:,}"
        f" processes, {document['trials']:,} replays.",
        f"Goal: {goal}. In simulation {figures['current']:.3f} s as it was, {figures['best']:.3f} s"
        f" like this, {figures['plain']:.3f} s by plain vLLM.",
        f"On the trace {ratios[0]:.2f} times better; on {len(ratios) - 1} variations of it"
        f" {statistics.geometric_mean(ratios[1:]):.2f} times ({min(ratios[1:]):.2f} to"
        f" {max(ratios[1:]):.2f}).",
        f"Costs of a step: {document['costs']}. Replayed as it was, the mean is"
        f" {document['error']['mean_ratio']:.2f} times the recorded one.",
    ]
    if not document["changed"]:
        lines.append("Nothing better than what there was has been found: this is it.")
    if document["real"] is not None:
        real = document["real"]
        before, after = real["current_s"]
        seconds = [f"{one['seconds']:.3f}" for one in real["candidates"]]
        lines.append(
            f"On the real engine ({real['model']}): {goal} {before:.3f} and {after:.3f} s as it"
            f" was; candidates {', '.join(seconds)} s."
        )
    return [*lines, "Becomes effective as kernel.toml in ~/.config/llmos, at the next boot."]


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
