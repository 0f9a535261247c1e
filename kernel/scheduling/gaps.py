"""The gaps between a process's generations: how long its blocks are kept for it.

A process that comes back from a short syscall finds its blocks if they were kept, and one that is
away for long only keeps others out. What is short is learned, by the name of the syscall: most of
those that were seen had come back after this time.
"""

from __future__ import annotations

from .job import Average, Job

FIRST_GAP_S = 0.5
"""What a syscall is taken to last before it was seen."""

SPREADS = 3
LONGEST_KEEP_S = 30.0


class Gaps:
    """Of all processes."""

    def __init__(self, spreads: float = SPREADS, longest_keep_s: float = LONGEST_KEEP_S) -> None:
        self._spreads, self._longest_keep_s = spreads, longest_keep_s
        self._lengths: dict[str, Average] = {}
        self._open: dict[Job, tuple[str, float]] = {}

    def begin(self, job: Job, name: str, now: float) -> None:
        """`name` says what for; the job's blocks are kept from now on for as long as it mostly
        takes."""
        self._open[job] = (name, now)
        job.keep_until = now + self.keep_s(name)

    def end(self, job: Job, now: float) -> None:
        """It goes on. Nothing, if there was no gap."""
        name, since = self._open.pop(job, ("", now))
        if name:
            self._length(name).add(now - since)

    def forget(self, job: Job) -> None:
        """What will come of this gap says nothing of others."""
        self._open.pop(job, None)

    def keep_s(self, name: str) -> float:
        length = self._length(name)
        if not length.seen:
            return FIRST_GAP_S
        return min(length.mean + self._spreads * length.spread, self._longest_keep_s)

    def _length(self, name: str) -> Average:
        return self._lengths.setdefault(name, Average(FIRST_GAP_S))
