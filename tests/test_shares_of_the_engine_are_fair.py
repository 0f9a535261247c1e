"""With the policy `fair`, whoever always has work gets the same share of the engine, within 5 %
over any window of 60 quanta each: by session, however many processes a session has and however
short their turns are, and within a session by nice."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import job, queue_of
from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.scheduling.fair import NICE_FACTOR, QUANTUM_TOKENS, FairShare
from llmos.kernel.scheduling.job import Job
from simulation import ROOT, simulate

STEP_TOKENS = 8
QUANTUM_STEPS = QUANTUM_TOKENS // STEP_TOKENS
WINDOW_QUANTA = 60
TOLERANCE = 0.05


def windows(jobs: list[tuple[Job, int]], slots: int, each: int) -> list[Counter[int]]:
    """What each job has had of the engine, in steps, in each of three windows of so many quanta for
    `each` of those who share. A job comes with the length of its turns, in steps; it has the next
    one at once."""
    queue = queue_of("fair", (one for one, _ in jobs), apart_s=0.0)
    turns = dict(jobs)
    left = dict(turns)
    running: dict[Job, int] = {}
    found, had, now = [], Counter[int](), 0.0
    steps = WINDOW_QUANTA * QUANTUM_STEPS * each // slots
    for step in range(3 * steps):
        while len(running) < slots and (one := queue.admit(now, idle=not running)) is not None:
            running[one] = 0
        now += 0.02
        for one in list(running):
            running[one] += 1
            left[one] -= 1
            had[one.process.pid] += 1
            queue.policy.charge(one, STEP_TOKENS, 0.02)
            tokens = running[one] * STEP_TOKENS
            if not left[one] or (len(queue) and queue.policy.yields(one, tokens)):
                left[one] = left[one] or turns[one]
                del running[one]
                queue.keep(one, "", now)
                queue.add(one, now)
        if (step + 1) % steps == 0:
            found.append(had)
            had = Counter()
    return found


sizes = st.lists(st.integers(1, 8), min_size=2, max_size=6)
turn_steps = st.integers(1, 4 * QUANTUM_STEPS)


@settings(max_examples=25, deadline=None)
@given(sizes, st.data())
def test_sessions_have_the_same_whatever_is_in_them(sizes: list[int], data: st.DataObject) -> None:
    jobs = [
        (job(100 * session + number, session=session), data.draw(turn_steps))
        for session, size in enumerate(sizes, 1)
        for number in range(size)
    ]
    for had in windows(jobs, 1, len(sizes)):
        by_session = Counter[int]()
        for pid, steps in had.items():
            by_session[pid // 100] += steps
        fair = had.total() / len(sizes)
        for session in range(1, len(sizes) + 1):
            assert abs(by_session[session] - fair) <= TOLERANCE * fair, (by_session, sizes)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 4), st.integers(2, 5), st.data())
def test_and_on_several_slots(slots: int, num_sessions: int, data: st.DataObject) -> None:
    jobs = [
        (job(100 * session + number, session=session), data.draw(turn_steps))
        for session in range(1, num_sessions + 1)
        for number in range(2 * slots)
    ]
    for had in windows(jobs, slots, num_sessions)[1:]:
        by_session = Counter[int]()
        for pid, steps in had.items():
            by_session[pid // 100] += steps
        fair = had.total() / num_sessions
        for session in range(1, num_sessions + 1):
            assert abs(by_session[session] - fair) <= TOLERANCE * fair, by_session


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from((0.5, 1.0, 2.0, 4.0)), min_size=2, max_size=4), st.data())
def test_a_session_has_the_share_that_it_was_given(
    weights: list[float], data: st.DataObject
) -> None:
    jobs = [
        (job(100 * session + number, session=session, weight=weight), data.draw(turn_steps))
        for session, weight in enumerate(weights, 1)
        for number in range(3)
    ]
    for had in windows(jobs, 1, math.ceil(sum(weights) / min(weights))):
        for session, weight in enumerate(weights, 1):
            has = sum(steps for pid, steps in had.items() if pid // 100 == session)
            share = had.total() * weight / sum(weights)
            assert abs(has - share) <= TOLERANCE * share, (had, weights)


def test_within_a_session_a_level_of_nice_is_a_quarter() -> None:
    jobs = [(job(100 + nice, nice=nice), 2 * QUANTUM_STEPS) for nice in (0, 2, 4)]
    weights = {100 + nice: NICE_FACTOR**-nice for nice in (0, 2, 4)}
    for had in windows(jobs, 1, 6):
        for pid, weight in weights.items():
            fair = had.total() * weight / sum(weights.values())
            assert abs(had[pid] - fair) <= TOLERANCE * fair, had


def test_who_was_away_has_saved_nothing_up() -> None:
    policy = FairShare()
    away, works = job(2, session=2), job(3, session=3)
    queue = queue_of(policy, [away])
    queue.admit(0.0, idle=True)
    queue.keep(away, "", 0.0)
    queue.add(works, 0.0)
    for step in range(1000):
        one = queue.admit(float(step), idle=True)
        assert one is works
        policy.charge(works, 8, 1.0)
        queue.keep(works, "", float(step))
        queue.add(works, float(step))
    queue.add(away, 1000.0)
    turns = Counter[int]()
    for step in range(20):
        one = queue.admit(1000.0 + step, idle=True)
        assert one is not None
        turns[one.process.pid] += 1
        policy.charge(one, 8, 1.0)
        queue.keep(one, "", 1000.0)
        queue.add(one, 1000.0)
    assert abs(turns[2] - turns[3]) <= 2, turns


def test_a_kernel_shares_its_engine_so(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[float]:
        sessions = []
        for size in (1, 6, 3):
            parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
            sessions.append(
                [
                    await kernel.spawn(task="count 9000", name=None, root=ROOT, parent=parent.pid)
                    for _ in range(size)
                ]
            )
        await asyncio.sleep(60)
        return [sum(one.accounting.engine_s for one in session) for session in sessions]

    one_slot = Capacity(max_num_seqs=1, window_tokens=10_000, kv_cache_tokens=200_000)
    shares = simulate(tmp_path, main, capacity=one_slot, scheduler="fair")
    fair = sum(shares) / 3
    assert fair > 15
    assert all(abs(share - fair) <= TOLERANCE * fair for share in shares), shares
