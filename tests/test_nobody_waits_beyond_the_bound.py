"""Who has waited `PATIENCE_S` (and what its nice is worth), with n that have waited longer, is
admitted after at most 4·(n + 1) more admissions, whatever the policy prefers and whoever comes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import job, queue_of
from llmos.kernel.scheduling import load, names
from llmos.kernel.scheduling.job import Job
from llmos.kernel.scheduling.run_queue import ELDER_EVERY, PATIENCE_S

arrivals = st.lists(
    st.tuples(st.integers(-20, 19), st.integers(0, 5000), st.booleans()), min_size=0, max_size=3
)
STARVING = [name for name in names() if load(name).starves]


@pytest.mark.parametrize("policy", STARVING)
@settings(max_examples=25, deadline=None)
@given(st.lists(arrivals, min_size=20, max_size=80))
def test_the_bound_holds(policy: str, coming: list[list[tuple[int, int, bool]]]) -> None:
    queue = queue_of(policy)
    bounds: dict[Job, int] = {}  # of those that are patient by now: admissions that are left
    pid = 1
    for step in range(len(coming) * 5):
        now = step * PATIENCE_S / 15
        for nice, attained, interactive in coming[step] if step < len(coming) else ():
            pid += 1
            one = job(pid, nice, session=pid % 4)
            one.attained, one.interactive = attained, interactive
            queue.add(one, now)
        waiting = sorted(queue, key=lambda one: (one.place, one.number))
        for num_older, one in enumerate(waiting):
            if now - one.place > PATIENCE_S:
                bounds.setdefault(one, ELDER_EVERY * (num_older + 1))
        admitted = queue.admit(now, idle=True)
        if admitted is None:
            assert not waiting
            continue
        bounds.pop(admitted, None)
        for one in bounds:
            bounds[one] -= 1
            assert bounds[one] > 0, f"{one.process.name} has waited {now - one.since:.0f} s"
        queue.release(admitted)


def test_one_of_the_least_weight_has_its_share_at_once_and_then_less_often() -> None:
    """`fair` needs no bound: a clock that stands still is the first one at some time."""
    patient = job(2, nice=19)
    others = [job(pid, nice=-20) for pid in range(3, 9)]
    queue = queue_of("fair", [*others, patient], apart_s=0.0)
    turns = []
    for turn in range(2 * len(others)):
        one = queue.admit(float(turn), idle=True)
        assert one is not None
        turns.append(one)
        queue.policy.charge(one, 128, 1.0)
        queue.keep(one, "", float(turn))
        queue.add(one, float(turn))
    assert patient in turns[: len(others) + 1]
    assert turns.count(patient) == 1, "a level of nice is worth a quarter"


@pytest.mark.parametrize("policy", names())
def test_who_is_too_large_is_passed_for_so_long_and_no_longer(policy: str) -> None:
    """A small one is let past a large one while that is not impatient; then room is left for it."""
    if not load(policy).working_set:
        pytest.skip("it admits whoever is first")
    runs, large = job(2, tokens=1000), job(3, tokens=1000)
    queue = queue_of(policy, [runs, large], total_tokens=1600, apart_s=0.0)
    first = queue.admit(0.0, idle=True)
    assert first is not None
    queue.add(job(4, tokens=64), 1.0)
    passes = queue.admit(1.0, idle=False)
    assert passes is not None and passes.process.pid == 4
    queue.release(passes)
    queue.add(job(5, tokens=64), PATIENCE_S + 1)
    left = next(one for one in queue if one.tokens == 1000)
    queue.policy.charge(first, 1000, 10.0)
    if queue.policy.first(float("inf")) is left:  # not so by fair: it has just had its share
        assert queue.admit(PATIENCE_S + 1, idle=False) is None
    queue.release(first)
    assert queue.admit(PATIENCE_S + 2, idle=False) is left
