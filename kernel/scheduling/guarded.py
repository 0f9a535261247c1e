"""A policy that somebody else has written, and that may fail: the queue must not lose anybody by
it. At its first fault, first come first served takes its place, and the scheduler says why."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .fifo import FirstInFirstOut
from .job import Job
from .order import Key

if TYPE_CHECKING:
    from . import Policy

T = TypeVar("T")

log = logging.getLogger(__name__)


class Guarded:
    """`Policy`, as that of the policy inside until that fails."""

    def __init__(self, policy: Policy) -> None:
        self.working_set = bool(policy.working_set)
        self.preempts = bool(policy.preempts)
        self.starves = True  # whatever it says of itself
        self.fault = ""
        """Why it is not asked any more; '' while it is."""
        self._policy = policy
        self._jobs: dict[Job, None] = {}

    def key(self, job: Job) -> Key:
        return self._ask(lambda policy: tuple(map(float, policy.key(job))))

    def displaces(self, job: Job, other: Job) -> bool:
        return self._ask(lambda policy: bool(policy.displaces(job, other)))

    def add(self, job: Job) -> None:
        self._jobs[job] = None
        self._tell(lambda policy: policy.add(job))

    def remove(self, job: Job) -> None:
        del self._jobs[job]
        self._tell(lambda policy: policy.remove(job))

    def first(self, free: float, fits: Callable[[Job], bool] | None = None) -> Job | None:
        return self._ask(lambda policy: self._checked(policy.first(free, fits), free))

    def charge(self, job: Job, tokens: int, engine_s: float) -> None:
        self._tell(lambda policy: policy.charge(job, tokens, engine_s))

    def yields(self, job: Job, tokens: int) -> bool:
        return self._ask(lambda policy: bool(policy.yields(job, tokens)))

    def level(self, job: Job) -> int:
        return self._ask(lambda policy: int(policy.level(job)))

    def forget(self, job: Job) -> None:
        self._tell(lambda policy: policy.forget(job))

    def _checked(self, job: Job | None, free: float) -> Job | None:
        if job is None and self._jobs and free == float("inf"):
            raise LookupError("it finds nobody, though somebody waits")
        if job is not None and (job not in self._jobs or job.lack > free):
            raise LookupError("it finds a job that does not wait, or does not fit")
        return job

    def _ask(self, question: Callable[[Policy], T]) -> T:
        try:
            return question(self._policy)
        except Exception as error:
            self._give_up(error)
            return question(self._policy)

    def _tell(self, news: Callable[[Policy], Any]) -> None:
        """What is told to a policy that fails need not be told to the one in its place: that has
        been given all that wait by now."""
        try:
            news(self._policy)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        log.exception("the scheduling policy failed; first come, first served takes its place")
        self.fault = f"{type(self._policy).__name__} failed: {type(error).__name__}: {error}"
        self._policy = FirstInFirstOut()
        for job in self._jobs:
            self._policy.add(job)
