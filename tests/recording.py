"""Traces of a whole kernel on the simulated engine and virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, Script, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.trace.reading import Trace, read
from simulation import ROOT, ended, simulate

CAPACITY = Capacity(8, 4096, 8192, 16, 512)
MAX_BYTES = 1 << 24


def turns(request: ChatRequest) -> Reply:
    """The task says in how many turns, and of how many words each; every word is new."""
    task = next(one.text for one in request.messages if one.role == "user")
    count, size, name = task.split()[:3]
    done = sum(one.role == "assistant" for one in request.messages)
    words = " ".join(f"{name}-{done}-{index}" for index in range(int(size)))
    return Reply(words, (("now", "{}"),) if done + 1 < int(count) else ())


def traced(
    folder: Path,
    main: Callable[[Kernel], Awaitable[object]],
    *,
    script: Script = turns,
    capacity: Capacity = CAPACITY,
    **config: object,
) -> Trace:
    """What the kernel recorded while `main` was run."""
    path = folder / "recorded.trace"

    async def body(kernel: Kernel, driver: SimulatedDriver) -> None:
        await kernel.engine.ready()
        kernel.recorder.start(path, MAX_BYTES)
        await main(kernel)
        await kernel.recorder.stop()

    simulate(folder / "state", body, script=script, capacity=capacity, **config)
    return read(path)


async def crowd(kernel: Kernel, size: int = 30, seed: int = 1) -> None:
    """Processes of a heavy tail come at random, more than fit."""
    rng = random.Random(seed)
    processes = []
    for number in range(size):
        await asyncio.sleep(rng.expovariate(60))
        text = " ".join(f"p{number}w{index}" for index in range(rng.randint(10, 400)))
        count, answer = min(8, int(rng.paretovariate(1.1))), rng.randint(20, 150)
        task = f"{count} {answer} p{number} {text}"
        nice = rng.randint(-5, 5)
        processes.append(await kernel.spawn(task=task, name=f"p{number}", root=ROOT, nice=nice))
    for process in processes:
        await ended(process)
