"""A thousand processes run side by side, the same way twice."""

from __future__ import annotations

from pathlib import Path

from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import State
from simulation import simulate

CAPACITY = Capacity(max_num_seqs=64, window_tokens=4096, kv_cache_tokens=65536)


async def thousand(kernel: Kernel, driver: SimulatedDriver) -> tuple[list[str], int, float]:
    import asyncio

    most_running = 0
    processes = [
        await kernel.spawn(task=f"count {number % 50 + 1}", name=None, root=Path("/"))
        for number in range(1000)
    ]
    while any(process.alive for process in processes):
        running = [process for process in processes if process.state is State.RUNNING]
        most_running = max(most_running, len(running))
        await asyncio.sleep(0.001)
    outputs = [process.exit.output for process in processes if process.exit]
    return outputs, most_running, asyncio.get_running_loop().time()


def test_a_thousand_processes_all_answer_and_never_more_run_than_the_engine_holds(
    tmp_path: Path,
) -> None:
    outputs, most_running, _ = simulate(tmp_path, thousand, capacity=CAPACITY, max_processes=2000)
    assert len(outputs) == 1000
    assert all(len(output.split()) == index % 50 + 1 for index, output in enumerate(outputs))
    assert most_running == CAPACITY.max_num_seqs


def test_usage_adds_up_to_what_the_engine_did(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> int:
        processes = [
            await kernel.spawn(task=f"count {number + 1}", name=None, root=Path("/"))
            for number in range(20)
        ]
        for process in processes:
            await process.exited.wait()
            await kernel.reap(process)
        return kernel.usage().tokens_out

    assert simulate(tmp_path, main) == sum(range(1, 21))
