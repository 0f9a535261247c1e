"""Weighted fair shares of the engine's time, by session and, within a session, by nice.

Each session, and each process in it, has a clock that runs by what it has had of the engine divided
by its weight; whose clock is behind goes next (stride scheduling, Waldspurger and Weihl, 1995). A
clock that stood still while there was nothing to do is put to where the others are: nobody saves up
shares. A level of nice is worth a quarter of a share, as in Linux.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .job import Job
from .order import Key, Order

NICE_FACTOR = 1.25
QUANTUM_TOKENS = 128
DISPLACES_S = 1.0


@dataclass(slots=True)
class Session:
    clock: float = 0.0
    weight: float = 1.0
    latest: float = 0.0  # the clock of the process that was served last
    jobs: Order = field(default_factory=Order)
    members: int = 0  # runnable or in the engine


class FairShare:
    """`reserved` gives sessions a weight other than 1, by number."""

    working_set = True
    preempts = False

    def __init__(
        self, quantum_tokens: int = QUANTUM_TOKENS, reserved: dict[int, float] | None = None
    ) -> None:
        self.quantum_tokens = quantum_tokens
        self._reserved = reserved or {}
        self._sessions: dict[int, Session] = {}
        self._clocks: dict[Job, float] = {}
        self._latest = 0.0

    def key(self, job: Job) -> Key:
        session = self._session(job)
        return (max(session.clock, self._latest), self._clock(job))

    def displaces(self, job: Job, other: Job) -> bool:
        """By what its session is behind: were it by less, two sessions would take each other's
        blocks in turns."""
        return self.key(job)[0] + DISPLACES_S < self.key(other)[0]

    def add(self, job: Job) -> None:
        session = self._session(job)
        if not len(session.jobs):
            session.clock = max(session.clock, self._latest)
        self._clocks[job] = clock = self._clock(job)
        session.jobs.add((clock,), job)

    def remove(self, job: Job) -> None:
        self._session(job).jobs.remove(job)

    def first(self, free: float, fits: Callable[[Job], bool] | None = None) -> Job | None:
        for session in sorted(self._sessions.values(), key=_clock_of):
            job = session.jobs.first(free, fits)
            if job is not None:
                return job
        return None

    def charge(self, job: Job, tokens: int, engine_s: float) -> None:
        session = self._session(job)
        weight = NICE_FACTOR**-job.process.nice
        self._latest = max(self._latest, session.clock)
        session.clock += engine_s / session.weight
        clock = self._clock(job)
        session.latest = max(session.latest, clock)
        self._clocks[job] = clock + engine_s / weight

    def yields(self, job: Job, tokens: int) -> bool:
        return tokens >= self.quantum_tokens

    def level(self, job: Job) -> int:
        return 0

    def forget(self, job: Job) -> None:
        self._clocks.pop(job, None)

    def _session(self, job: Job) -> Session:
        number = job.process.session
        session = self._sessions.get(number)
        if session is None:
            weight = self._reserved.get(number, 1.0)
            session = self._sessions[number] = Session(self._latest, weight)
        return session

    def _clock(self, job: Job) -> float:
        session = self._session(job)
        return max(self._clocks.get(job, session.latest), session.latest)


def _clock_of(session: Session) -> float:
    return session.clock
