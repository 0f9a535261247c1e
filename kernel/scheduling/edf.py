"""Earliest deadline first (Liu and Layland, 1973). A deadline is what a process's limit on wall
time leaves it; those without one come after those with one, by arrival."""

from __future__ import annotations

from .job import Job
from .keyed import Keyed
from .order import Key


class EarliestDeadlineFirst(Keyed):
    def key(self, job: Job) -> Key:
        return (job.deadline, job.place)
