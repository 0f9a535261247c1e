"""The kernel and recall are killed while pages leave, come back and are indexed, the index is
deleted, documents are ingested: what was acknowledged is there, and is found."""

from __future__ import annotations

from memory_torture import MemoryTorture


def test_memory_tortured_in_small() -> None:
    report = MemoryTorture(seed=3, num_talkers=2, model="-").run(kills=6)
    assert not report.problems
    assert report.kills >= 6
    assert report.messages and report.facts, "there was something to lose"
    assert report.found == report.facts
