"""What a person waits for while others work: an interactive turn's time to first token while 64
batch processes flood the engine ÷ on an idle engine, for our kernel and for vLLM by itself.

A conversation of a few short turns alone, and another one while 64 agents work, each followed by
the next one as it ends; in the next round they change places. For the kernel the time is from the
message, which is journalled first, to the first text that whoever is attached is shown. vLLM by
itself, in an engine of its own with as many slots, gets the very same requests (same tokens, same
sampling) of conversations and flood; its time is from `AsyncLLM.generate` to the first output.
Rounds alternate; figures are ratios of medians over all turns but the first of each conversation,
whose prompt is in no cache.

What the conversation costs the others is in the details: tokens a second of the flood before
anybody has ever spoken, and beside the conversations.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from in_process import in_process_kernel
from llmos.kernel.config import KernelConfig
from llmos.kernel.engine.driver import Item, Prompt
from llmos.kernel.engine.vllm import VllmDriver, VllmSettings
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import Event, Text, Turn
from llmos.kernel.process import Process
from llmos.kernel.signals import Signal
from llmos.memory.draft import EMPTY, Draft
from report import report

FLOOD = 64
CONVERSATIONS = (
    ("who are you", "what can you do", "what is a process", "what is llmos", "who are you"),
    ("what is llmos", "who are you", "what can you do", "what is a process", "what is llmos"),
)
TASKS = ("what is a process in llmos", "what can you do", "what is {} * {}", "what is llmos")
NUM_TASKS = 40
THINK_S = 0.3
SETTLE_S = 1.5
ALONE_S = 6.0


def task(number: int) -> str:
    number %= NUM_TASKS
    return TASKS[number % len(TASKS)].format(37 + number % 50, 12 + number % 7)


class RecordingDriver(VllmDriver):
    """The vLLM driver; it keeps what agents asked of it: by task, and by the length of the
    conversation, since who has the same task is answered the same. Of the conversation, what
    follows a person's words."""

    def __init__(self, settings: VllmSettings) -> None:
        super().__init__(settings)
        self.asked: defaultdict[str, dict[int, Prompt]] = defaultdict(dict)
        self.said: defaultdict[str, dict[int, Prompt]] = defaultdict(dict)

    async def generate(self, prompt: Prompt, draft: Draft = EMPTY) -> AsyncIterator[Item]:
        messages = prompt.request.messages
        if prompt.request.priority == 0:
            self.asked[messages[1].text].setdefault(len(messages), prompt)
        elif messages[-1].role == "user":
            self.said[messages[1].text].setdefault(len(messages), prompt)
        async for item in super().generate(prompt, draft):
            yield item


class Ours:
    """The kernel, and agents in it."""

    def __init__(self, kernel: Kernel, driver: RecordingDriver, root: Path) -> None:
        self._kernel, self._driver, self._root = kernel, driver, root

    async def forget(self) -> None:
        await self._driver._llm.reset_prefix_cache()

    async def talk(self, turns: Sequence[str]) -> list[float]:
        """Seconds to the first text of each turn."""
        kernel, times = self._kernel, []
        process = await kernel.spawn(task=None, name=None, root=self._root, interactive=True)
        events: asyncio.Queue[Event] = asyncio.Queue()
        kernel.bus.attach(process.pid, hear := events.put_nowait)
        for words in turns:
            await asyncio.sleep(THINK_S)
            began, first = time.perf_counter(), 0.0
            await kernel.send(process.pid, words)
            while not isinstance(event := await events.get(), Turn):
                if isinstance(event, Text) and not first:
                    first = time.perf_counter() - began
            assert first, f"nothing was said to {words!r}"
            times.append(first)
        kernel.bus.detach(process.pid, hear)
        await self._end(process)
        return times

    async def agent(self, number: int) -> None:
        spawned = self._kernel.spawn(task=task(number), name=None, root=self._root)
        process = await spawned
        try:
            await process.exited.wait()
        finally:
            await self._end(process)

    async def _end(self, process: Process) -> None:
        if process.alive:
            await self._kernel.signal(process, Signal.KILL)
            await process.exited.wait()
        await self._kernel.reap(process)

    @property
    def tokens(self) -> int:
        """Generated so far."""
        return self._driver.totals.tokens_out


class Stock:
    """vLLM by itself, which is asked the same."""

    def __init__(self, llm: Any, recorded: RecordingDriver) -> None:
        self.tokens = 0
        self._llm, self._recorded = llm, recorded
        self._ids = itertools.count()

    async def forget(self) -> None:
        await self._llm.reset_prefix_cache()

    async def talk(self, turns: Sequence[str]) -> list[float]:
        times = []
        for _, prompt in sorted(self._recorded.said[turns[0]].items()):
            await asyncio.sleep(THINK_S)
            times.append(await self._ask(prompt))
        return times

    async def agent(self, number: int) -> None:
        for _, prompt in sorted(self._recorded.asked[task(number)].items()):
            await self._ask(prompt)

    async def _ask(self, prompt: Prompt) -> float:
        """Seconds to the first token."""
        began, first = time.perf_counter(), 0.0
        rendered = prompt.payload
        stream = self._llm.generate(
            rendered.engine_input, rendered.sampling_params.clone(), f"stock-{next(self._ids)}"
        )
        async for output in stream:
            tokens = len(output.outputs[0].token_ids)
            if tokens and not first:
                first = time.perf_counter() - began
            self.tokens += tokens
        return first


@dataclass
class Measured:
    """Seconds to the first token; tokens a second of all."""

    idle: list[float] = field(default_factory=list)
    flooded: list[float] = field(default_factory=list)
    alone: float = 0.0
    beside: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return round(statistics.median(self.flooded) / statistics.median(self.idle), 2)

    def details(self) -> dict[str, Any]:
        ms = {
            "idle_ms": [round(1e3 * one, 1) for one in self.idle],
            "flooded_ms": [round(1e3 * one, 1) for one in self.flooded],
        }
        return {
            **ms,
            **{f"{name}_p50": round(statistics.median(values), 1) for name, values in ms.items()},
            "tokens_per_s_before": round(self.alone),
            "tokens_per_s_beside": round(statistics.median(self.beside)),
        }


@contextlib.asynccontextmanager
async def flood(side: Ours | Stock) -> AsyncIterator[None]:
    """Always as many agents."""
    numbers = itertools.count()

    async def one_by_one() -> None:
        while True:
            await side.agent(next(numbers))

    lanes = []
    for _ in range(FLOOD):
        lanes.append(asyncio.create_task(one_by_one()))
        await asyncio.sleep(SETTLE_S / FLOOD)
    await asyncio.sleep(SETTLE_S)
    yield
    for lane in lanes:
        lane.cancel()
    await asyncio.gather(*lanes, return_exceptions=True)


async def rated(
    side: Ours | Stock, work: Coroutine[Any, Any, list[float]]
) -> tuple[list[float], float]:
    """What it returns, and the tokens a second of all meanwhile."""
    before, began = side.tokens, time.perf_counter()
    result = await work
    return result, (side.tokens - before) / (time.perf_counter() - began)


async def measure(side: Ours | Stock, into: Measured, number: int) -> None:
    """One round: a conversation alone, another one in a flood."""
    alone, beside = CONVERSATIONS[:: -1 if number % 2 else 1]
    await side.forget()
    into.idle += (await side.talk(alone))[1:]
    async with flood(side):
        times, rate = await rated(side, side.talk(beside))
    into.flooded += times[1:]
    into.beside.append(rate)


@contextlib.asynccontextmanager
async def stock_engine(model: str, path: str) -> AsyncIterator[Any]:
    """vLLM's own scheduler, and as many slots as the kernel has."""
    own = {"scheduler_cls": "vllm.v1.core.sched.scheduler.Scheduler", "max_num_seqs": FLOOD}
    driver = VllmDriver(VllmSettings(path, name=model, extra=own))
    await driver.start(lambda words: None)
    try:
        yield driver._llm
    finally:
        await driver.stop()


async def main(rounds: int, model: str) -> None:
    path = KernelConfig(Path(), Path(), Path(), model=model).model_path()
    async with (
        in_process_kernel(model, RecordingDriver) as (kernel, driver, root),
        stock_engine(model, path) as llm,
    ):
        sides: dict[str, Ours | Stock] = {
            "kernel": Ours(kernel, driver, root),
            "stock": Stock(llm, driver),
        }
        found = {name: Measured() for name in sides}
        for name, side in sides.items():
            async with flood(side):
                _, found[name].alone = await rated(side, asyncio.sleep(ALONE_S, []))
        for words in CONVERSATIONS:  # to be recorded
            await sides["kernel"].talk(words)
        for number in range(rounds):
            for name, side in sides.items():
                await measure(side, found[name], number)
                print(f"round {number}, {name}: {found[name].details()}", flush=True)
    report(
        "interactive",
        {"ttft_ratio": found["kernel"].ratio, "stock_ratio": found["stock"].ratio},
        {"model": model, "rounds": rounds, "flood": FLOOD}
        | {name: one.details() for name, one in found.items()},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="pilot")
    options = parser.parse_args()
    asyncio.run(main(options.rounds, options.model))
