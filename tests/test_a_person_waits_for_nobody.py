"""However many batch processes flood the engine, an interactive turn begins at once: one of them
gives its slot back at a token, and what it had generated is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llmos.kernel import messages
from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process, State
from llmos.kernel.scheduling import load, names
from simulation import ROOT, ended, simulate, until

SLOTS, FLOOD = 4, 64
STORY = " ".join(f"word{number}" for number in range(900))
COUNTED = " ".join(str(number) for number in range(1, 301))
PREEMPTING = [name for name in names() if load(name).preempts]


async def first_token_s(kernel: Kernel, process: Process) -> float:
    """From a message to the first word of its answer."""
    loop, heard = asyncio.get_running_loop(), asyncio.Event()

    def hear(event: messages.Event) -> None:
        if isinstance(event, messages.Text):
            heard.set()

    kernel.bus.attach(process.pid, hear)
    began = loop.time()
    await kernel.send(process.pid, "are you there?")
    await heard.wait()
    took_s = loop.time() - began
    await until(lambda: process.waits_for == "a message")
    kernel.bus.detach(process.pid, hear)
    return took_s


@pytest.mark.parametrize("policy", PREEMPTING)
@pytest.mark.parametrize("tokens", [65536, 4096, 0])
def test_under_a_flood_it_begins_as_on_an_idle_engine(
    tmp_path: Path, policy: str, tokens: int
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        person = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await until(lambda: person.waits_for == "a message")
        await kernel.send(person.pid, STORY)  # it has much in the engine's memory
        await until(lambda: len(person.space) == 2 and person.waits_for == "a message")
        idle_s = [await first_token_s(kernel, person) for _n in range(5)]
        batch = [await kernel.spawn(task="count 300", name=None, root=ROOT) for _n in range(FLOOD)]
        await until(lambda: kernel.scheduler.num_waiting >= FLOOD - SLOTS)
        await asyncio.sleep(0.1)
        flooded_s = []
        for _n in range(5):
            flooded_s.append(await first_token_s(kernel, person))
            await asyncio.sleep(0.05)
            assert kernel.scheduler.num_waiting > FLOOD / 2, "the flood goes on"
        assert max(flooded_s) <= 1.5 * max(idle_s) + 0.005, "and a step, which gives the slot back"
        for process in batch:
            assert await ended(process) == (0, COUNTED)

    simulate(tmp_path, main, capacity=Capacity(SLOTS, 4096, tokens), scheduler=policy)


def test_nobody_at_the_screen_nobody_first(tmp_path: Path) -> None:
    """An interactive process to which nobody is attached is work like any other."""

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        alone = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        await until(lambda: alone.waits_for == "a message")
        batch = [await kernel.spawn(task="count 300", name=None, root=ROOT) for _ in range(SLOTS)]
        await until(lambda: all(one.state is State.RUNNING for one in batch))
        await kernel.send(alone.pid, "hello")
        await until(lambda: alone.state is State.READY)
        await asyncio.sleep(0.2)
        assert alone.state is State.READY
        assert all(one.state is State.RUNNING for one in batch)

    simulate(tmp_path, main, capacity=Capacity(SLOTS, 4096, 65536))
