"""What STOP and CONT cost: answers of the pilot on the real vLLM, stopped at random tokens.

Each task runs first undisturbed, with greedy decoding, then again and again, stopped after a random
number of its tokens and continued once it is stopped.

- identical: stopped runs that generated the same tokens, one for one, in all their steps
- reprefilled_tokens: computed again at CONT (prompt and draft, less what was cached)
- slot_free_ms: from asking for STOP, its journal entry included, until the engine is rid of it
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from in_process import in_process_kernel
from llmos.kernel.engine.driver import Completion, Delta, Item, Prefill, Prompt
from llmos.kernel.engine.vllm import VllmDriver, VllmSettings
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import State
from llmos.kernel.signals import Signal
from llmos.memory.draft import EMPTY, Draft
from report import report

TASKS = ("what can you do", "what is a process", "what is 37 * 12", "who are you", "what is llmos")
POLL_S = 0.001


@dataclass
class Run:
    """The tokens of one task, and what its stop cost."""

    answers: list[tuple[int, ...]] = field(default_factory=list)
    num_tokens: int = 0  # generated so far, in all its answers
    stop_after: int | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    left_engine: float = 0.0
    reprefilled: list[int] = field(default_factory=list)


class WatchingDriver(VllmDriver):
    """The vLLM driver; it tells tokens as they come."""

    def __init__(self, settings: VllmSettings) -> None:
        super().__init__(settings)
        self.run = Run()

    async def generate(self, prompt: Prompt, draft: Draft = EMPTY) -> AsyncIterator[Item]:
        run, token_ids = self.run, list(draft.token_ids)
        try:
            async for item in super().generate(prompt, draft):
                match item:
                    case Prefill(tokens_in, tokens_cached, draft_tokens):
                        del token_ids[draft_tokens:]
                        if draft:
                            run.reprefilled.append(tokens_in - tokens_cached)
                    case Delta():
                        token_ids += item.token_ids
                        run.num_tokens += item.num_tokens
                        if run.stop_after is not None and run.num_tokens >= run.stop_after:
                            run.stop.set()
                    case Completion():
                        run.answers.append(tuple(token_ids))
                yield item
        finally:
            run.left_engine = time.perf_counter()


async def undisturbed(kernel: Kernel, driver: WatchingDriver, root: Path, task: str) -> Run:
    driver.run = Run()
    process = await kernel.spawn(task=task, name=None, root=root)
    await process.exited.wait()
    return driver.run


async def stopped(
    kernel: Kernel, driver: WatchingDriver, root: Path, task: str, after: int
) -> tuple[Run, float]:
    """The run, and milliseconds until the engine was rid of it."""
    run = driver.run = Run(stop_after=after)
    process = await kernel.spawn(task=task, name=None, root=root)
    await run.stop.wait()
    asked = time.perf_counter()
    await kernel.signal(process, Signal.STOP)
    while process.alive and process.state is not State.STOPPED:
        await asyncio.sleep(POLL_S)
    free_ms = 1e3 * (run.left_engine - asked)
    await kernel.signal(process, Signal.CONT)
    await process.exited.wait()
    return run, free_ms


async def main(stops: int, model: str, seed: int) -> None:
    rng = random.Random(seed)
    async with in_process_kernel(model, WatchingDriver) as (kernel, driver, root):
        whole = {task: await undisturbed(kernel, driver, root, task) for task in TASKS}
        runs: list[tuple[str, int, Run, float]] = []
        too_late = 0
        while len(runs) < stops:
            task = TASKS[len(runs) % len(TASKS)]
            after = rng.randint(1, whole[task].num_tokens - 1)
            run, free_ms = await stopped(kernel, driver, root, task, after)
            if not run.reprefilled:  # the answer was whole before the stop was in the journal
                too_late += 1
                continue
            runs.append((task, after, run, free_ms))
            same = run.answers == whole[task].answers
            print(f"{task!r} after {after}: same {same}, {run.reprefilled} tokens again, "
                  f"slot free in {free_ms:.1f} ms", flush=True)  # fmt: skip
    figures = {
        "stops": len(runs),
        "identical": sum(run.answers == whole[task].answers for task, _, run, _ in runs),
        "reprefilled_tokens_p50": statistics.median(sum(run.reprefilled) for _, _, run, _ in runs),
        "slot_free_ms_p50": round(statistics.median(free_ms for *_, free_ms in runs), 2),
    }
    details = {
        "model": model,
        "seed": seed,
        "stops_that_came_too_late": too_late,
        "tokens": {task: run.num_tokens for task, run in whole.items()},
        "slot_free_ms": [round(free_ms, 2) for *_, free_ms in runs],
        "reprefilled_tokens": [sum(run.reprefilled) for _, _, run, _ in runs],
    }
    report("stop", figures, details)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--model", default="pilot")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    asyncio.run(main(options.stops, options.model, options.seed))
