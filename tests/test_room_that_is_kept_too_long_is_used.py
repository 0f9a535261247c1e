"""The engine's memory is kept for a process over a short gap; when the gap is longer than that, who
waits for the room gets it, at that very moment."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import State
from llmos.kernel.scheduling.gaps import FIRST_GAP_S
from simulation import ROOT, ended, generating, simulate, until

FEW_BLOCKS = Capacity(max_num_seqs=8, window_tokens=2400, kv_cache_tokens=2400)
STORY = " ".join(f"word{index}" for index in range(560))
LISTEN = f"listen {STORY}"


def script(request: ChatRequest) -> Reply:
    last = request.messages[-1].text
    if last.startswith("listen"):
        return Reply(calls=(("receive", json.dumps({"timeout": 60})),))
    return echo(request)


def test_who_waits_goes_on_when_the_keep_is_over(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        loop = asyncio.get_running_loop()
        away = [
            await kernel.spawn(task=LISTEN, name=None, root=ROOT, tools=("receive",))
            for _ in range(3)
        ]
        await until(lambda: away[0].waits_for == "receive")
        left = loop.time()
        await until(lambda: all(one.waits_for == "receive" for one in away))
        works = await kernel.spawn(task="count 600", name=None, root=ROOT)
        await generating(works)
        large = await kernel.spawn(task=STORY, name=None, root=ROOT)
        await until(lambda: large.state is State.READY)
        assert loop.time() < left + FIRST_GAP_S / 2
        await until(lambda: large.state is State.RUNNING)
        assert left + FIRST_GAP_S <= loop.time() < left + FIRST_GAP_S + 0.05
        assert works.state is State.RUNNING
        assert all(one.waits_for == "receive" for one in away)
        assert (await ended(large))[0] == (await ended(works))[0] == 0

    simulate(tmp_path, main, script=script, capacity=FEW_BLOCKS, scheduler="priority")
