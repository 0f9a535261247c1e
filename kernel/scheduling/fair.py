"""Weighted fair shares of the engine's time, by session and, within a session, by nice.

Each session, and each process in it, has a clock that runs by what it has had of the engine divided
by its weight; whose clock is behind goes next. A clock that stood still while there was nothing to
do is put to that of whoever began to be served last: nobody saves up shares, and who comes back at
once, after however short a turn, loses none (start-time fair queueing: Goyal, Vin and Cheng, 1996).
A level of nice is worth a quarter of a share, as in Linux.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .job import Job
from .order import Key, Order

NICE_FACTOR = 1.25
QUANTUM_TOKENS = 128
DISPLACES_S = 1.0


@dataclass(slots=True, eq=False)
class Session:
    number: int
    weight: float
    clock: float
    latest: float = 0.0  # the clock of the process of it that began to be served last
    jobs: Order[Job] = field(default_factory=Order)  # those that wait
    members: int = 0

    @property
    def lack(self) -> int:
        """What the most frugal of its jobs lacks."""
        return self.jobs.least


@dataclass(slots=True)
class Member:
    """A process of a session."""

    session: Session
    clock: float
    begins: bool = True  # it has had nothing since it was added


class FairShare:
    working_set = True
    preempts = False
    starves = False  # the clock of who waits stands still, and the others' run past it

    def __init__(self, quantum_tokens: int = QUANTUM_TOKENS) -> None:
        self.quantum_tokens = quantum_tokens
        self._sessions: dict[int, Session] = {}
        self._members: dict[Job, Member] = {}
        self._order: Order[Session] = Order()  # those that have a job which waits
        self._late: dict[Session, None] = {}  # whose clock has run since they were put in order
        self._latest = 0.0

    def key(self, job: Job) -> Key:
        member = self._member(job)
        session = member.session
        return (max(session.clock, self._latest), max(member.clock, session.latest))

    def displaces(self, job: Job, other: Job) -> bool:
        """By what its session is behind: were it by less, two sessions would take each other's
        blocks in turns."""
        clock, behind = self._member(other).session.clock, self._member(job).session.clock
        return max(behind, self._latest) + DISPLACES_S < clock

    def add(self, job: Job) -> None:
        member = self._member(job)
        session = member.session
        if not len(session.jobs):
            session.clock = max(session.clock, self._latest)
        member.clock, member.begins = max(member.clock, session.latest), True
        session.weight = job.weight
        self._take_out(session)
        session.jobs.add((member.clock,), job)
        self._put_in(session)

    def remove(self, job: Job) -> None:
        session = self._members[job].session
        self._take_out(session)
        session.jobs.remove(job)
        self._put_in(session)

    def first(self, free: float, fits: Callable[[Job], bool] | None = None) -> Job | None:
        for session in self._late:
            self._take_out(session)
            self._put_in(session)
        self._late.clear()
        found: list[Job] = []

        def has_one(session: Session) -> bool:
            job = session.jobs.first(free, fits)
            if job is not None:
                found.append(job)
            return job is not None

        self._order.first(free, has_one)
        return found[0] if found else None

    def charge(self, job: Job, tokens: int, engine_s: float) -> None:
        member = self._member(job)
        session = member.session
        if member.begins:
            member.begins = False
            self._latest = max(self._latest, session.clock)
            session.latest = max(session.latest, member.clock)
        session.clock += engine_s / session.weight
        member.clock += engine_s * NICE_FACTOR**job.process.nice
        if session in self._order:
            self._late[session] = None

    def yields(self, job: Job, tokens: int) -> bool:
        return tokens >= self.quantum_tokens

    def level(self, job: Job) -> int:
        return 0

    def forget(self, job: Job) -> None:
        member = self._members.pop(job, None)
        if member is not None:
            self._leave(member.session)

    # ---- sessions -------------------------------------------------------------------------

    def _member(self, job: Job) -> Member:
        number = job.process.session
        member = self._members.get(job)
        if member is not None and (member.session.number == number or job in member.session.jobs):
            return member  # one that waits changes its session when it comes again
        if member is not None:
            self._leave(member.session)
        session = self._sessions.get(number)
        if session is None:
            session = self._sessions[number] = Session(number, job.weight, self._latest)
        session.members += 1
        member = self._members[job] = Member(session, session.latest)
        return member

    def _leave(self, session: Session) -> None:
        session.members -= 1
        if not session.members:
            del self._sessions[session.number]

    def _take_out(self, session: Session) -> None:
        if session in self._order:
            self._order.remove(session)

    def _put_in(self, session: Session) -> None:
        if len(session.jobs):
            self._order.add((session.clock,), session)
