"""A fork at whatever moment has the pages that its parent had, in memory and in swap alike."""

from __future__ import annotations

import asyncio
from pathlib import Path

from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.memory.swap import read_pages
from simulation import simulate


def test_while_a_page_of_the_parent_is_on_its_way_to_the_journal(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> list[tuple[list[str], list[str]]]:
        parent = await kernel.spawn(task=None, name=None, root=Path("/"), interactive=True)
        forks: list[asyncio.Task[Process]] = []
        for number in range(10):
            await kernel.send(parent.pid, f"message {number}")
            for _ in range(20):
                fork = kernel.fork(parent, task="and you", interactive=False)
                forks.append(asyncio.create_task(fork))
                await asyncio.sleep(0.0005)
        pages = []
        for fork_task in forks:
            child = await fork_task
            await child.exited.wait()
            assert child.exit is not None
            assert (child.exit.status, child.exit.output) == (0, "You said: and you")
            rows = await kernel.journal.read(lambda c, pid=child.pid: read_pages(c, pid, 0))  # type: ignore[misc]
            in_memory = [entry.page.text for entry in child.space.resident]
            pages.append((in_memory, [stored.page.text for stored in rows]))
        return pages

    for in_memory, in_swap in simulate(tmp_path, main):
        assert in_memory == in_swap
