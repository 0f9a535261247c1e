"""What a person waits for, while 64 others keep the engine busy, is little more than on an idle
engine: at most 1.5 times to the first word. On the real engine: `make bench-interactive`."""

from __future__ import annotations

import asyncio
import statistics
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmos.kernel.engine.batching import Batch, Batched, Costs
from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.engine.step_times import ATTENTION_S, SLACK
from llmos.kernel.engine.vllm import VllmDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import State
from simulation import ROOT, simulate, until

COSTS = Costs(step_s=0.005, sequence_s=0.0001, token_s=0.0001)
ENGINE = Capacity(64, 2048, 200_000, 32, 2048, interactive_seqs=4)
WORDS = "word " * 80 + "10"


def count(request: ChatRequest) -> Reply:
    """As many words as the message ends with."""
    return Reply(" ".join(map(str, range(int(request.messages[-1].text.split()[-1])))))


async def talk(kernel: Kernel, *, watched: bool = True) -> float:
    """Seconds to the first token, in the mean over some turns."""
    process = await kernel.spawn(task=None, name=None, root=ROOT, interactive=True)
    now, times = asyncio.get_running_loop().time, []
    if watched:
        kernel.bus.attach(process.pid, lambda event: None)
    for turn in range(12):
        await asyncio.sleep(0.05 + 0.0013 * turn)
        began, had = now(), process.accounting.tokens_out
        await kernel.send(process.pid, WORDS)
        await until(lambda had=had: process.accounting.tokens_out > had)
        times.append(now() - began)
        await until(lambda: process.state is State.BLOCKED)
    return statistics.fmean(times[1:])


async def flood(kernel: Kernel) -> list[asyncio.Task[None]]:
    """64 processes at any time, of which some have only begun."""

    async def one_by_one(number: int) -> None:
        while True:
            number += 64
            task = f"{'word ' * (number * 7 % 90)}{20 + number * 37 % 80}"
            process = await kernel.spawn(task=task, name=None, root=ROOT)
            await process.exited.wait()
            await kernel.reap(process)

    lanes = [asyncio.create_task(one_by_one(number)) for number in range(64)]
    await asyncio.sleep(1.0)
    return lanes


def test_the_first_word_comes_nearly_as_soon_as_on_an_idle_engine(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        idle = await talk(kernel)
        lanes = await flood(kernel)
        assert await talk(kernel) < 1.5 * idle
        for lane in lanes:
            lane.cancel()

    simulate(tmp_path, main, script=count, capacity=ENGINE, costs=COSTS)


def test_who_is_not_waited_for_at_a_screen_goes_with_the_others(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        idle = await talk(kernel, watched=False)
        lanes = await flood(kernel)
        assert await talk(kernel, watched=False) > 2 * idle
        for lane in lanes:
            lane.cancel()

    simulate(tmp_path, main, script=count, capacity=ENGINE, costs=COSTS)


# ---- slots --------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ("edf", "mlfq", "priority"))
def test_there_are_slots_that_only_interactive_processes_get(policy: str, tmp_path: Path) -> None:
    """Under the policies that prefer them and have no quanta."""

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        batch = [await kernel.spawn(task="400", name=None, root=ROOT) for _ in range(3)]
        await until(lambda: batch[0].accounting.tokens_out > 0)
        person = await kernel.spawn(task=None, name=None, root=ROOT, interactive=True)
        kernel.bus.attach(person.pid, lambda event: None)
        await kernel.send(person.pid, "10")
        await until(lambda: person.accounting.tokens_out == 10)
        assert batch[0].state is State.RUNNING
        assert [one.accounting.tokens_out for one in batch[1:]] == [0, 0]
        for one in batch:
            await one.exited.wait()
        assert batch[0].accounting.tokens_in == batch[1].accounting.tokens_in, (
            "nobody was broken off"
        )

    one_slot = Capacity(1, 2048, 20_000, interactive_seqs=1)
    simulate(tmp_path, main, script=count, capacity=one_slot, scheduler=policy)


# ---- steps --------------------------------------------------------------------------------


def busy(batch: Batch, num: int = 64) -> list[Batched]:
    """So many that generate, each from another prompt, after steps of all sizes."""
    sequences = []
    for number in range(num):
        sequences.append(Batched(tuple(range(1000 * number, 1000 * number + 40))))
        batch.add(sequences[-1])
        step(batch)
    return sequences


def step(batch: Batch, now: float = 0.0) -> tuple[list[Batched], float]:
    work, seconds = batch.step(now)
    for sequence in work:
        if sequence.is_computed:
            sequence.generated(0)
    return work, seconds


def person(batch: Batch) -> Batched:
    sequence = Batched(tuple(range(-100, 0)), interactive=True)
    batch.add(sequence)
    return sequence


def test_a_persons_prompt_is_computed_alone_and_nobody_loses_anything_by_it() -> None:
    batch = Batch(ENGINE, COSTS)
    others = busy(batch)
    known = [len(one.token_ids) for one in others]
    somebody = person(batch)
    assert step(batch)[0] == [somebody]
    assert [len(one.token_ids) for one in others] == known
    for _ in range(3):
        work, _ = step(batch)
        assert work[0] is somebody and set(work) - {somebody} <= set(others)
    batch.remove(somebody)
    work, _ = step(batch, now=ATTENTION_S)
    assert work == others, "one token each: nothing was computed again"
    assert batch.num_preempted == 0


def test_a_person_displaces_nobody_from_the_cache() -> None:
    """Where there is no room beside the others, it waits for it as everybody does."""
    batch = Batch(Capacity(64, 2048, 8 * 64, 32, 2048, 4), COSTS)
    others = busy(batch, 8)
    somebody = person(batch)
    work, _ = step(batch)
    assert somebody not in work and set(work) <= set(others)
    assert batch.num_preempted == 0


def test_steps_are_short_while_somebody_is_there_and_whole_again_later() -> None:
    batch = Batch(ENGINE, COSTS)
    others = busy(batch)
    somebody = person(batch)
    step(batch)
    batch.remove(somebody)
    work, seconds = step(batch, now=1.0)
    assert 8 <= len(work) < 40
    assert seconds < 1.2 * SLACK * COSTS.step_s
    assert len(step(batch, now=1.0 + ATTENTION_S)[0]) == len(others)


def test_where_large_steps_take_no_longer_they_stay_large() -> None:
    batch = Batch(ENGINE, Costs(step_s=0.02, sequence_s=0.0, token_s=1e-6))
    others = busy(batch)
    batch.remove(person(batch))
    batch.remove(somebody := person(batch))
    step(batch)
    assert somebody not in step(batch)[0]
    assert len(step(batch, now=1.0)[0]) == len(others)


# ---- vLLM ---------------------------------------------------------------------------------


def test_a_vllm_that_lacks_something_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "llmos.kernel.engine.vllm_scheduler", None)
    config = SimpleNamespace(scheduler_config=SimpleNamespace(scheduler_cls=None))
    VllmDriver._attend(config)
    assert config.scheduler_config.scheduler_cls is None
    assert "interactive requests" in caplog.text
