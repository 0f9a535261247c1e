"""A kernel under load is killed again and again, and nothing acknowledged is lost or done twice."""

from __future__ import annotations

from torture import Torture


def test_torture_in_small() -> None:
    report = Torture(seed=7, num_clients=2).run(kills=8)
    assert not report.problems
    assert report.kills >= 8
    assert report.effects and report.messages, "there was something to lose"
