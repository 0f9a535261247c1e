"""Whatever policy orders the run queue: who fits is admitted while there is room, who waits comes
to its turn, and a change of the policy loses nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.kernel.process import Process
from llmos.kernel.scheduling import load, names
from llmos.kernel.scheduling.job import Average, Head, Job
from llmos.kernel.scheduling.run_queue import RunQueue
from llmos.memory.address_space import AddressSpace

BLOCK_TOKENS, TOTAL_TOKENS = 16, 1600


def job(pid: int, nice: int, tokens: int, head: Head) -> Job:
    process = Process(
        pid=pid, root=Path("/"), interactive=False, created=0.0, spawn_key=None, parent=1,
        program="agent", name="", space=AddressSpace(""), session=pid % 3, nice=nice,
    )  # fmt: skip
    return Job(process, head, Average(32.0), tokens=tokens)


def queue_of(policy: str, jobs: list[Job]) -> RunQueue:
    queue = RunQueue(load(policy))
    queue.blocks.resize(TOTAL_TOKENS, BLOCK_TOKENS)
    for number, one in enumerate(jobs):
        queue.add(one, float(number))
    return queue


demands = st.lists(st.tuples(st.integers(-20, 19), st.integers(1, 1400)), min_size=1, max_size=30)


@pytest.mark.parametrize("policy", names())
@settings(max_examples=30, deadline=None)
@given(demands)
def test_no_room_is_left_that_somebody_fits_into(policy: str, given: list[tuple[int, int]]) -> None:
    head = Head()
    jobs = [job(pid, nice, tokens, head) for pid, (nice, tokens) in enumerate(given, 2)]
    queue = queue_of(policy, jobs)
    admitted: list[Job] = []
    while (one := queue.admit(1.0, idle=not admitted)) is not None:
        admitted.append(one)
    assert admitted, "nothing ran, so the first goes whatever it needs"
    left = list(queue)
    assert set(admitted) | set(left) == set(jobs) and len(admitted) + len(left) == len(jobs)
    if queue.policy.working_set:
        assert not [one for one in left if queue.blocks.fits(one)]
    else:
        assert not left


@pytest.mark.parametrize("policy", names())
def test_who_waits_comes_to_its_turn_however_many_come_after_it(policy: str) -> None:
    head = Head()
    patient = job(2, 19, 64, head)
    queue = queue_of(policy, [patient])
    for turn in range(200):
        now = float(turn)
        queue.add(job(3 + turn, -20, 64, head), now)
        one = queue.admit(now, idle=True)
        assert one is not None
        queue.release(one)
        if one is patient:
            break
    assert one is patient and turn < 80


@pytest.mark.parametrize("policy", names())
def test_a_change_of_policy_loses_nobody(policy: str) -> None:
    head = Head()
    jobs = [job(pid, pid % 5, 64 * pid, head) for pid in range(2, 14)]
    queue = queue_of("fifo", jobs)
    seen = []
    for number in range(len(jobs)):
        queue.use(load(policy if number % 2 else "mlfq"))
        one = queue.admit(50.0, idle=True)
        assert one is not None
        seen.append(one)
        queue.release(one)
    assert set(seen) == set(jobs) and not len(queue)
    assert queue.blocks.held == 0
