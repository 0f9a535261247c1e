"""What the kernel costs: N agents through it, against the same requests through bare AsyncLLM.

Both on one engine in one run. The kernel's side is everything a task takes: journal, scheduling,
rendering, the grammar, syscalls, pages, exit. The bare side replays, agent by agent, the very
requests that the engine got from the kernel (same tokens, same sampling), already rendered, with
nothing between two requests of an agent. Rounds alternate, the prefix cache is emptied before each,
and the figure is the median of the paired ratios of completion time (all N done).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

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


async def through_kernel(kernel: Kernel, root: Path, size: int) -> float:
    """Seconds until all agents have exited."""
    started = time.perf_counter()
    processes = await asyncio.gather(
        *(kernel.spawn(task=task(number), name=None, root=root) for number in range(size))
    )
    await asyncio.gather(*(process.exited.wait() for process in processes))
    seconds = time.perf_counter() - started
    for process in processes:
        await kernel.reap(process)
    return seconds


async def bare(driver: RecordingDriver, recorded: list[list[Prompt]]) -> float:
    """Seconds until AsyncLLM has answered the same requests, each agent's in their order."""
    llm = driver._llm

    async def replay(agent: int, prompts: list[Prompt]) -> None:
        for step, prompt in enumerate(prompts):
            rendered = prompt.payload
            async for _ in llm.generate(
                rendered.engine_input, rendered.sampling_params.clone(), f"bare-{agent}-{step}"
            ):
                pass

    started = time.perf_counter()
    await asyncio.gather(*(replay(agent, prompts) for agent, prompts in enumerate(recorded)))
    return time.perf_counter() - started


async def measure(
    kernel: Kernel, driver: RecordingDriver, root: Path, size: int, rounds: int
) -> dict[str, list[float]]:
    """Paired seconds of both sides."""
    seconds: dict[str, list[float]] = {"kernel": [], "bare": []}
    for number in range(rounds + 1):
        driver.requests = defaultdict(list)
        await driver._llm.reset_prefix_cache()
        ours = await through_kernel(kernel, root, size)
        recorded = list(driver.requests.values())
        await driver._llm.reset_prefix_cache()
        theirs = await bare(driver, recorded)
        if number:  # the first round warms up both
            seconds["kernel"].append(ours)
            seconds["bare"].append(theirs)
            print(f"n={size} round {number}: kernel {ours:.3f} s, bare {theirs:.3f} s, "
                  f"{sum(map(len, recorded))} requests", flush=True)  # fmt: skip
    return seconds


async def main(rounds: int, model: str) -> None:
    async with in_process_kernel(model, RecordingDriver) as (kernel, driver, root):
        details = {}
        figures = {}
        for size in SIZES:
            seconds = await measure(kernel, driver, root, size, rounds)
            ratios = [a / b for a, b in zip(seconds["kernel"], seconds["bare"], strict=True)]
            figures[f"n{size}"] = round(statistics.median(ratios), 3)
            details[f"n{size}"] = {**seconds, "ratios": ratios}
    report("overhead", figures, {"model": model, "rounds": rounds, **details})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model", default="pilot")
    options = parser.parse_args()
    asyncio.run(main(options.rounds, options.model))
