"""A level of nice is worth a waiting time: the nicer goes later, and goes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from llmos.kernel import messages
from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import State
from llmos.kernel.scheduler import NICE_S
from llmos.kernel.signals import Signal
from simulation import ROOT, ended, generating, simulate, until

ONE_SLOT = Capacity(max_num_seqs=1, window_tokens=4096, kv_cache_tokens=65536)


def test_who_comes_at_once_goes_by_nice_and_then_by_arrival(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[int]:
        blocker = await kernel.spawn(task="count 500", name=None, root=ROOT)
        await generating(blocker)
        heard: list[messages.Event] = []
        processes = []
        for nice in (5, 0, -20, 0, 19, -20):
            process = await kernel.spawn(task="count 5", name=None, root=ROOT, nice=nice)
            processes.append(process)
            kernel.bus.attach(process.pid, heard.append)
        await until(lambda: all(p.state is State.READY for p in processes))
        assert kernel.scheduler.num_waiting == 6
        for process in processes:
            await ended(process)
        ends = [event.pid for event in heard if isinstance(event, messages.Exit)]
        return [kernel.table.find(pid).nice for pid in ends]

    assert simulate(tmp_path, main, capacity=ONE_SLOT) == [-20, -20, 0, 0, 5, 19]


def test_under_a_flood_of_better_ones_the_last_waits_its_time_and_no_longer(
    tmp_path: Path,
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> float:
        loop = asyncio.get_running_loop()

        async def flood() -> None:
            while True:
                await kernel.spawn(task="count 40", name=None, root=ROOT, nice=0)
                await asyncio.sleep(0.05)

        flooding = asyncio.create_task(flood())
        await asyncio.sleep(1)
        began = loop.time()
        nice = await kernel.spawn(task="count 5", name=None, root=ROOT, nice=10)
        await until(lambda: nice.state is State.RUNNING)
        waited = loop.time() - began
        flooding.cancel()
        # The queue grows all the while: whoever came first is served first, at its own time.
        queue_s = waited - 10 * NICE_S
        assert queue_s >= 0
        return waited

    waited = simulate(tmp_path, main, capacity=ONE_SLOT)
    assert 10 * NICE_S <= waited < 30, "all that came before, and within 5 s after it, goes first"


def test_whoever_withdraws_leaves_no_trace(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        blocker = await kernel.spawn(task="count 500", name=None, root=ROOT)
        await generating(blocker)
        waiting = [await kernel.spawn(task="count 5", name=None, root=ROOT) for _ in range(50)]
        await until(lambda: kernel.scheduler.num_waiting == 50)
        for process in waiting[:40]:
            await kernel.signal(process, Signal.STOP)
        await until(lambda: kernel.scheduler.num_waiting == 10)
        for process in waiting[40:]:
            assert (await ended(process))[0] == 0
        assert kernel.scheduler.num_waiting == 0
        for process in waiting[:40]:
            await kernel.signal(process, Signal.CONT)
            await kernel.signal(process, Signal.STOP)
            await kernel.signal(process, Signal.CONT)
        for process in waiting:
            assert await ended(process) == (0, "1 2 3 4 5")
        await until(lambda: kernel.scheduler.num_running == 0)

    simulate(tmp_path, main, capacity=ONE_SLOT)


def test_it_is_inherited_and_can_be_changed(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True, nice=7)
        child = await kernel.spawn(task=None, name="c", root=ROOT, interactive=True, parent=2)
        assert (child.nice, (await kernel.fork(parent)).nice) == (7, 7)
        await kernel.set_nice(parent, -3)
        assert (parent.nice, child.nice) == (-3, 7)

    simulate(tmp_path, main)
