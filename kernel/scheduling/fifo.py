"""First come, first served: who waits longest goes next, whenever a slot is free. A level of nice
is worth a fixed time of waiting. What an engine by itself would do, nearly."""

from __future__ import annotations

from .job import Job
from .keyed import Keyed
from .order import Key


class FirstInFirstOut(Keyed):
    working_set = False
    preempts = False

    def key(self, job: Job) -> Key:
        return (job.place,)
