"""Every token that the engine reports is charged to somebody, whatever was broken off."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.limits import parse
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import SyscallError
from simulation import ROOT, simulate

SIGNALS = (Signal.STOP, Signal.STOP, Signal.CONT, Signal.INT, Signal.TERM, Signal.KILL, Signal.XCPU)
FEW_SLOTS = Capacity(max_num_seqs=6, window_tokens=600, kv_cache_tokens=4096)


@pytest.mark.parametrize("seed", range(4))
def test_a_mixed_workload(tmp_path: Path, seed: int) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        rng = random.Random(seed)
        for step in range(150):
            limits = {"tokens": [80, 120]} if rng.random() < 0.2 else {}
            if len(kernel.table) < 25:
                await kernel.spawn(
                    task=f"count {rng.randrange(1, 300)}",
                    name=None,
                    root=ROOT,
                    interactive=rng.random() < 0.5,
                    limits=parse(limits),
                    budget=rng.choice([None, 200]),
                )
            process = rng.choice(list(kernel.table)[1:])
            try:
                match rng.randrange(6):
                    case 0:
                        await kernel.fork(process, task="count 40")
                    case 1:
                        await kernel.exec(process, task="count 50")
                    case 2:
                        await kernel.send(process.pid, "call list_processes")
                    case _:
                        await kernel.signal(process, rng.choice(SIGNALS))
            except SyscallError:
                pass
            if step in (50, 100):
                driver.crash()
            await asyncio.sleep(rng.uniform(0, 0.1))
            if not process.alive and rng.random() < 0.5:
                await kernel.reap(process)
        for process in kernel.table:
            await kernel.signal(process, Signal.KILL)
        await asyncio.sleep(1)
        assert kernel.table.num_alive() == 1
        assert kernel.engine.status(0).restarts == 2
        usage, totals = kernel.usage(), driver.totals
        assert totals.tokens_out > 1000 and totals.tokens_cached > 100
        assert (usage.tokens_in, usage.tokens_cached, usage.tokens_out) == (
            totals.tokens_in,
            totals.tokens_cached,
            totals.tokens_out,
        )

    simulate(tmp_path, main, capacity=FEW_SLOTS)


def test_engine_time_is_charged_as_it_passes(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(task="count 1000", name=None, root=ROOT)
        began = asyncio.get_running_loop().time()
        await process.exited.wait()
        took = asyncio.get_running_loop().time() - began
        assert 0.9 * took < process.accounting.engine_s <= took

    simulate(tmp_path, main)
