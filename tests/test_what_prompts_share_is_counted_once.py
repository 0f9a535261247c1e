"""The engine holds once what several prompts begin with, and it is counted once: from the first
process on what all agents are told, and for forks what their parent has read and said."""

from __future__ import annotations

from pathlib import Path

from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.scheduling.job import FIRST_OUTPUT_TOKENS
from simulation import ROOT, ended, simulate, until

NUM = 12
SMALL_BLOCK = 4
OWN_BLOCKS = FIRST_OUTPUT_TOKENS // SMALL_BLOCK + 2
ENOUGH_IF_SHARED = Capacity(64, 1200, (NUM * OWN_BLOCKS + 12) * SMALL_BLOCK, SMALL_BLOCK)
STORY = " ".join(f"word{number}" for number in range(390))


def test_processes_with_the_same_tools(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        agents = [await kernel.spawn(task="count 90", name=None, root=ROOT) for _ in range(NUM)]
        await until(lambda: kernel.scheduler.num_running == NUM)
        told = kernel.scheduler.queue.blocks
        assert told.held <= told.total < NUM * (OWN_BLOCKS + 7), "so many by themselves do not fit"
        for agent in agents:
            assert (await ended(agent))[0] == 0
        assert driver.num_preempted == 0

    simulate(tmp_path, main, capacity=ENOUGH_IF_SHARED)


def test_forks_of_one_parent(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await kernel.send(parent.pid, STORY)
        await until(lambda: len(parent.space) == 2 and parent.waits_for == "a message")
        forks = [await kernel.fork(parent, task="count 90", interactive=False) for _ in range(5)]
        await until(lambda: kernel.scheduler.num_running == len(forks))
        for fork in forks:
            assert (await ended(fork))[0] == 0
        assert driver.num_preempted == 0

    simulate(tmp_path, main, capacity=Capacity(64, 2000, 3400))


def test_a_fork_that_begins_anew_shares_no_more(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await kernel.send(parent.pid, STORY)
        await until(lambda: len(parent.space) == 2 and parent.waits_for == "a message")
        fork = await kernel.fork(parent, task="count 400", interactive=False)
        await until(lambda: kernel.scheduler.num_running == 1)
        shared = kernel.scheduler.queue.blocks.held
        await kernel.exec(fork, task="count 400")
        await until(lambda: kernel.scheduler.num_running == 1)
        assert kernel.scheduler.queue.blocks.held <= shared - 390 // 16
        assert (await ended(fork))[0] == 0
        assert kernel.scheduler.queue.blocks.held == 0

    simulate(tmp_path, main)
