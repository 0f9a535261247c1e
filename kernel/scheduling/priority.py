"""By nice, and within a level by arrival. Who is nicer goes when nobody else waits, or when it has
waited too long (`run_queue.py`)."""

from __future__ import annotations

from .job import Job
from .keyed import Keyed
from .order import Key


class Priority(Keyed):
    def key(self, job: Job) -> Key:
        return (job.process.nice, job.since)

    def displaces(self, job: Job, other: Job) -> bool:
        return job.process.nice < other.process.nice
