"""Under every policy, with few slots and too little of the engine's memory, all work is done:
nothing waits for ever, no slot idles while somebody fits, and the account of blocks adds up."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process, State
from llmos.kernel.scheduling import names
from llmos.kernel.scheduling.run_queue import PASSED_S
from llmos.kernel.scheduling_choices import use
from llmos.kernel.signals import Signal
from simulation import ROOT, ended, simulate

TIGHT = Capacity(3, 1200, 1280, max_batched_tokens=256)
UNTOLD = Capacity(3, 1200, 0, max_batched_tokens=256)
"""As of an engine that does not say what it has."""

STORY = " ".join(f"word{number}" for number in range(280))
LONG = json.dumps({"text": STORY})


def script(request: ChatRequest) -> Reply:
    """`long` makes a call that is longer than a quantum, `listen` one that takes a while."""
    last = request.messages[-1]
    if last.role == "tool":
        return Reply(f"so it is: {len(last.text) and 'done'}")
    verb, _, rest = last.text.partition(" ")
    if verb == "long":
        return Reply("I write it down.", calls=(("remember", LONG),))
    if verb == "listen":
        return Reply(calls=(("receive", json.dumps({"timeout": float(rest)})),))
    return echo(request)


tasks = st.one_of(
    st.integers(1, 400).map(lambda number: f"count {number}"),
    st.just("long"),
    st.just(STORY),
    st.sampled_from((0.2, 2.0)).map(lambda wait_s: f"listen {wait_s}"),
)
deeds = st.lists(
    st.tuples(
        st.sampled_from(("stop", "renice", "fork", "policy", "crash", "exec")), st.integers(0, 50)
    ),
    max_size=6,
)


def check(kernel: Kernel) -> None:
    """What holds at each moment."""
    scheduler = kernel.scheduler
    queue, blocks = scheduler.queue, scheduler.queue.blocks
    assert scheduler.num_running <= scheduler.num_slots
    heads = {head for job in scheduler.jobs if job.held for head in job.head.chain()}
    for head in heads:
        below = [job for job in scheduler.jobs if job.held and head in job.head.chain()]
        assert head.holders == len(below)
    assert all(job.held >= 0 for job in scheduler.jobs)
    held = sum(job.held for job in scheduler.jobs)
    assert blocks.held == held + sum(blocks._heads[head] for head in heads)
    assert set(blocks._heads) == heads
    free_slots = scheduler.num_slots - scheduler.num_running
    oldest = min((job.since for job in queue), default=scheduler.now())
    if free_slots and len(queue) and scheduler.now() - oldest < PASSED_S:
        assert scheduler.num_running, "it would be admitted, whatever it needs"
        assert queue.policy.working_set
        assert not [job for job in queue if blocks.fits(job)], "a slot idles"


async def disturb(kernel: Kernel, process: Process, deed: str, number: int) -> list[Process]:
    """Processes that came to be by it."""
    if deed == "policy":
        await use(kernel, names()[number % len(names())])
    elif not process.alive:
        return []
    elif deed == "stop":
        await kernel.signal(process, Signal.STOP)
        await asyncio.sleep(number / 100)
        await kernel.signal(process, Signal.CONT)
    elif deed == "renice":
        await kernel.set_nice(process, number % 40 - 20)
    elif deed == "exec":
        await kernel.exec(process, task="count 30")
    elif deed == "fork":
        return [await kernel.fork(process, task="count 40", interactive=False)]
    return []


@pytest.mark.parametrize("policy", names())
@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(tasks, st.integers(-20, 19), st.integers(0, 30)), min_size=2, max_size=14),
    deeds,
    st.sampled_from((TIGHT, UNTOLD)),
)
def test_it_is(
    policy: str,
    work: list[tuple[str, int, int]],
    deeds: list[tuple[str, int]],
    capacity: Capacity,
) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        processes: list[Process] = []

        async def watch() -> None:
            while True:
                await asyncio.sleep(0.004)
                check(kernel)

        async def come() -> None:
            for task, nice, pause in work:
                processes.append(
                    await kernel.spawn(
                        task=task, name=None, root=ROOT, nice=nice, tools=("remember", "receive")
                    )
                )
                await asyncio.sleep(pause / 200)

        async def meddle() -> None:
            for deed, number in deeds:
                await asyncio.sleep(number / 40)
                if deed == "crash":
                    driver.crash()
                elif processes:
                    chosen = processes[number % len(processes)]
                    processes.extend(await disturb(kernel, chosen, deed, number))

        watching = asyncio.create_task(watch())
        await asyncio.gather(come(), meddle())
        for process in processes:
            status, _ = await ended(process, timeout_s=300)
            assert status == 0
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert watching.cancelled(), watching.exception()
        assert not kernel.scheduler.num_running and not kernel.scheduler.num_waiting
        assert kernel.scheduler.queue.blocks.held == 0
        assert all(process.state is State.ZOMBIE for process in processes)

    with TemporaryDirectory() as folder:
        simulate(Path(folder), main, script=script, capacity=capacity, scheduler=policy)


def test_a_call_that_is_longer_than_a_quantum_is_made(tmp_path: Path) -> None:
    """What is broken off in a call is lost, so that one which yields in it would never end."""

    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        writers = [
            await kernel.spawn(task="long", name=None, root=ROOT, tools=("remember",))
            for _ in range(3)
        ]
        for writer in writers:
            assert await ended(writer, timeout_s=60) == (0, "so it is: done")
        answers = 2 * len(writers)
        assert driver.totals.requests <= 3 * answers, "broken off more often than it helps"

    one_slot = Capacity(1, 4096, 65536)
    simulate(tmp_path, main, script=script, capacity=one_slot, scheduler="round-robin")
