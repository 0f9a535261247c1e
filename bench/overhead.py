"""What the kernel costs: N agents through it, against the same requests through bare AsyncLLM.

Both on one engine in one run. The kernel's side is everything a task takes: journal, scheduling,
rendering, the grammar, syscalls, pages, exit. The bare side replays, agent by agent, the very
requests that the engine got from the kernel (same tokens, same sampling), already rendered, with
nothing between two requests of an agent. It is what a user of AsyncLLM has: `generate`, which
verifies a grammar with each request and detokenises, in deltas as `vllm serve` streams them; text
is not parsed for calls. (The kernel detokenises too, itself, and verifies a grammar once.)

Rounds alternate, the prefix cache is emptied before each, and the figures are medians of the paired
ratios: `n8` of completion time (all 8 done), `cpu_n8` of CPU seconds, user and system, of this
process and all of its children.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path

import psutil

from in_process import in_process_kernel
from llmos.kernel.engine.driver import Item, Prompt
from llmos.kernel.engine.vllm import VllmDriver, VllmSettings
from llmos.kernel.kernel import Kernel
from llmos.memory.draft import EMPTY, Draft
from report import report

SIZES = (1, 8, 32)


class RecordingDriver(VllmDriver):
    """The vLLM driver; it keeps what each agent asked of it."""

    def __init__(self, settings: VllmSettings) -> None:
        super().__init__(settings)
        self.requests: defaultdict[str, list[Prompt]] = defaultdict(list)

    async def generate(self, prompt: Prompt, draft: Draft = EMPTY) -> AsyncIterator[Item]:
        self.requests[prompt.request.messages[1].text].append(prompt)
        async for item in super().generate(prompt, draft):
            yield item


def task(number: int) -> str:
    """Different for every agent, so that no agent lives off another's prefix alone."""
    return f"what is {37 + number} * {12 + number % 7}"


@dataclass(frozen=True, slots=True)
class Cost:
    wall_s: float
    cpu_s: float


async def cost_of(work: Awaitable[None]) -> Cost:
    before, started = cpu_seconds(), time.perf_counter()
    await work
    wall_s, after = time.perf_counter() - started, cpu_seconds()
    return Cost(wall_s, sum(spent - before.get(pid, 0.0) for pid, spent in after.items()))


def cpu_seconds() -> dict[int, float]:
    """User and system seconds so far, of this process and each living child."""
    this = psutil.Process()
    return {
        process.pid: sum(process.cpu_times()[:2])
        for process in (this, *this.children(recursive=True))
    }


async def through_kernel(kernel: Kernel, root: Path, size: int) -> None:
    """Until all agents have exited."""
    processes = await asyncio.gather(
        *(kernel.spawn(task=task(number), name=None, root=root) for number in range(size))
    )
    await asyncio.gather(*(process.exited.wait() for process in processes))


async def bare(driver: RecordingDriver, recorded: list[list[Prompt]]) -> None:
    """Until AsyncLLM has answered the same requests, each agent's in their order."""
    llm = driver._llm

    async def replay(agent: int, prompts: list[Prompt]) -> None:
        for step, prompt in enumerate(prompts):
            rendered = prompt.payload
            async for _ in llm.generate(
                rendered.engine_input, rendered.sampling_params.clone(), f"bare-{agent}-{step}"
            ):
                pass

    await asyncio.gather(*(replay(agent, prompts) for agent, prompts in enumerate(recorded)))


async def measure(
    kernel: Kernel, driver: RecordingDriver, root: Path, size: int, rounds: int
) -> list[tuple[Cost, Cost]]:
    """(kernel, bare) of each round."""
    pairs = []
    for number in range(rounds + 1):
        driver.requests = defaultdict(list)
        await driver._llm.reset_prefix_cache()
        ours = await cost_of(through_kernel(kernel, root, size))
        await reap_all(kernel)
        recorded = list(driver.requests.values())
        await driver._llm.reset_prefix_cache()
        theirs = await cost_of(bare(driver, recorded))
        if number:  # the first round warms up both
            pairs.append((ours, theirs))
            print(f"n={size} round {number}: kernel {ours.wall_s:.3f} s ({ours.cpu_s:.2f} s CPU), "
                  f"bare {theirs.wall_s:.3f} s ({theirs.cpu_s:.2f} s CPU), "
                  f"{sum(map(len, recorded))} requests", flush=True)  # fmt: skip
    return pairs


async def reap_all(kernel: Kernel) -> None:
    for process in [one for one in kernel.table if not one.alive]:
        await kernel.reap(process)


async def main(rounds: int, model: str) -> None:
    async with in_process_kernel(model, RecordingDriver) as (kernel, driver, root):
        details: dict[str, dict[str, list[float]]] = {}
        figures: dict[str, float] = {}
        for size in SIZES:
            pairs = await measure(kernel, driver, root, size, rounds)
            for name, kind in (("n", "wall_s"), ("cpu_n", "cpu_s")):
                ours = [getattr(pair[0], kind) for pair in pairs]
                theirs = [getattr(pair[1], kind) for pair in pairs]
                ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
                figures[f"{name}{size}"] = round(statistics.median(ratios), 3)
                details[f"{name}{size}"] = {"kernel": ours, "bare": theirs, "ratios": ratios}
    report("overhead", figures, {"model": model, "rounds": rounds, **details})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--model", default="pilot")
    options = parser.parse_args()
    asyncio.run(main(options.rounds, options.model))
