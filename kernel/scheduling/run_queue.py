"""The run queue: who waits for the engine, who keeps blocks in it without running, and who is next.

A policy says who comes first. Around it, for all policies:

- *Working sets.* A process is admitted when the KV blocks that it needs to finish its turn fit
  beside those of the others (`blocks.py`). Over the short gaps between its generations they stay
  its own: it is resident. When somebody needs the room, it is taken from those whose gap lasts
  longer than such gaps do, and then from those that the policy lets it displace. A resident one
  that needs more than is left takes it from the residents that come after it, so that those who
  wait do not hold all the room without running.
- *No slot idles* while somebody fits: who does not fit is passed by the next one who does, until
  it has been passed for `PASSED_S`; from then on slots idle for it.
- *Nobody starves.* Where the policy might let somebody: from `PATIENCE_S` of waiting on, every
  `ELDER_EVERY`th admission goes to who has waited longest, whatever the policy says: who has n
  older ones before it is admitted after at most 4·(n + 1) more.
- *A person waits for nobody*, where the policy says so: those whom it waits for go first, displace
  all others, and are not passed.
- *Nobody blocks all.* When nothing runs, the next one is admitted, however much it needs.

Nothing here waits or reads a clock: `now` is a parameter, in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice

from . import Policy
from .blocks import Blocks
from .gaps import LONGEST_KEEP_S, SPREADS, Gaps
from .job import Head, Job
from .order import Order
from .settings import Settings

NICE_S = 0.5
"""Seconds of waiting that a level of nice is worth: from the first to the last it is 20 s."""

PATIENCE_S = 60.0
"""Long, because under a load that lasts everybody waits, and then age would be the only order."""

PASSED_S = 10.0
ELDER_EVERY = 4

MAX_DISPLACED = 32
"""Whose blocks one may be given: with a thousand that wait and keep some, a decision must not look
at all of them."""


class RunQueue:
    """Owned by the scheduler."""

    def __init__(self, policy: Policy, settings: Settings = Settings()) -> None:  # noqa: B008
        self.policy = policy
        self.blocks = Blocks()
        self.gaps = Gaps(
            _given(settings.keep_spreads, SPREADS), _given(settings.longest_keep_s, LONGEST_KEEP_S)
        )
        self.patience_s = _given(settings.patience_s, PATIENCE_S)
        self.on_taken: Callable[[Job, int], None] | None = None
        """Told of each job that has to give up so many blocks which were kept for it."""
        self._numbers = 0
        self._waiting: Order[Job] = Order()  # by the time from which they wait
        self._urgent: Order[Job] = Order()  # of those, for whom a person waits
        self._kept: Order[Job] = Order()  # those that hold blocks and do not run, by the policy
        self._expiring: Order[Job] = Order()  # the same, by how long they keep them
        self._since_elder = 0
        self._passed: Job | None = None  # the first one, while it does not fit
        self._passed_since = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, job: Job) -> bool:
        return job in self._waiting

    def __iter__(self) -> Iterator[Job]:
        """Those that wait, the oldest first."""
        return (job for _, job in self._waiting)

    def use(self, policy: Policy) -> None:
        """Go by another policy from now on."""
        kept = [job for _, job in self._kept]
        for job in self:
            self.policy.remove(job)
        self.policy = policy
        for job in kept:
            self._grade(job)
        for job in self:
            self._grade(job)
            policy.add(job)
        for job in kept:
            self._unkeep(job)
            self._keep(job)

    # ---- coming and going -----------------------------------------------------------------

    def add(self, job: Job, now: float) -> None:
        """It is runnable, and has as many tokens as it says."""
        self.gaps.end(job, now)
        self._unkeep(job)
        self._numbers += 1
        job.number, job.since, job.keep_until = self._numbers, now, math.inf
        job.place = now + job.process.nice * NICE_S
        self.blocks.foresee(job)
        self._grade(job)
        self.policy.add(job)
        self._waiting.add((job.place,), job)
        if job.held:
            self._keep(job)
        if job.urgent:
            self._urgent.add((job.place,), job)

    def remove(self, job: Job) -> None:
        """It does not wait any more. What is held for it stays."""
        self.policy.remove(job)
        self._waiting.remove(job)
        self._unkeep(job)
        if job in self._urgent:
            self._urgent.remove(job)

    def keep(self, job: Job, reason: str, now: float) -> None:
        """It does not run; what is held for it stays for as long as this mostly takes."""
        self._unkeep(job)
        self._grade(job)
        self.blocks.shrink(job)
        if reason:
            self.gaps.begin(job, reason, now)
        else:
            job.keep_until = now + self.gaps.keep_s("")
        if job.held:
            self._keep(job)

    def release(self, job: Job) -> None:
        """It does not run, and nothing is held for it any more."""
        self.gaps.forget(job)
        self._drop(job)

    def rehead(self, job: Job, head: Head) -> None:
        """Its prompt begins with another head from now on."""
        waits, kept, held = job in self._waiting, job in self._kept, job.held > 0
        self._drop(job)
        if waits:
            self.policy.remove(job)
            self._waiting.remove(job)
        job.head = head
        self.blocks.foresee(job)
        if held:
            self.blocks.take(job)
            if kept:  # else it runs, and needs what it will need
                self.blocks.shrink(job)
        if waits:
            self.policy.add(job)
            self._waiting.add((job.place,), job)
        if kept and job.held:
            self._keep(job)

    @property
    def num_urgent(self) -> int:
        """Of those that wait, for whom a slot is to be had at once."""
        return len(self._urgent) if self.policy.preempts else 0

    def next_expiry(self, now: float) -> float:
        """When the next one has kept its blocks for as long as it may, and they can be had."""
        key = self._expiring.after((now,))
        return math.inf if key is None else key[0]

    # ---- admission ------------------------------------------------------------------------

    def admit(self, now: float, *, idle: bool) -> Job | None:
        """Who goes next, its blocks taken; None: nobody fits. `idle`: nobody runs."""
        job = self._next(now, idle)
        if job is not None:
            self._since_elder = 0 if self._waits_longest(job, now) else self._since_elder + 1
            self.remove(job)
            self.blocks.take(job)
        return job

    def admit_urgent(self, now: float) -> Job | None:
        """Of those for whom a person waits the first, if its blocks can be had; they are taken."""
        job = self._for_a_person()
        if job is None or (self.policy.working_set and not self._make_room(job, now)):
            return None
        self.remove(job)
        self.blocks.take(job)
        return job

    def _next(self, now: float, idle: bool) -> Job | None:
        best = self._elder(now) or self._for_a_person() or self.policy.first(math.inf)
        if best is None or not self.policy.working_set:
            return best
        if self._make_room(best, now) or idle:
            return best
        if self._is_first(best):
            return None  # those that run are asked for their slots, and soon there is room
        if best is not self._passed:
            self._passed, self._passed_since = best, now
        if now - self._passed_since > PASSED_S:
            return None
        return self.policy.first(self.blocks.free, self.blocks.fits)

    def _elder(self, now: float) -> Job | None:
        """Who has waited longest, when it is the turn of such."""
        oldest = self._waiting.first(math.inf)
        due = self.policy.starves and self._since_elder >= ELDER_EVERY - 1
        is_due = due and oldest is not None and now - oldest.place > self.patience_s
        return oldest if is_due else None

    def _for_a_person(self) -> Job | None:
        return self._urgent.first(math.inf) if self.policy.preempts else None

    def _is_first(self, job: Job) -> bool:
        return self.policy.preempts and job in self._urgent

    def _waits_longest(self, job: Job, now: float) -> bool:
        return now - job.place > self.patience_s and job is self._waiting.first(math.inf)

    def _make_room(self, job: Job, now: float) -> bool:
        """Does it fit, if need be after others that do not run have given up what they hold?"""
        wanted = self.blocks.wanted(job) - self.blocks.free
        victims: dict[Job, None] = {}
        if wanted > 0:
            for other in self._dispensable(job, now):
                if other is not job and other not in victims:
                    victims[other] = None
                    wanted -= other.held
                    if wanted <= 0:
                        break
            else:
                return False
        for other in victims:
            held = other.held
            self._drop(other)
            if self.on_taken is not None:
                self.on_taken(other, held)
        return True

    def _dispensable(self, job: Job, now: float) -> Iterator[Job]:
        """Those that hold blocks and do not run: first whose gap is longer than such gaps are,
        then those that it displaces; for one that is resident itself, all that come after it."""
        for (keep_until,), other in self._expiring:
            if keep_until > now:
                break
            yield other
        key = self.policy.key(job)
        first = self._is_first(job)
        for other_key, other in islice(self._kept.backwards(), MAX_DISPLACED):
            resident = job.held and key < other_key
            if resident or (first and not other.urgent) or self.policy.displaces(job, other):
                yield other

    def _grade(self, job: Job) -> None:
        """By what it has had until now; it must not be in an order meanwhile."""
        level = self.policy.level(job)
        if level != job.level:
            job.level, job.entered = level, (job.place, job.number)

    # ---- what is kept ---------------------------------------------------------------------

    def _keep(self, job: Job) -> None:
        self._kept.add(self.policy.key(job), job)
        self._expiring.add((job.keep_until,), job)

    def _unkeep(self, job: Job) -> None:
        if job in self._kept:
            self._kept.remove(job)
            self._expiring.remove(job)

    def _drop(self, job: Job) -> None:
        """It holds nothing any more; if it waits, it waits for more."""
        self._unkeep(job)
        waits = job in self._waiting
        if waits:
            self.policy.remove(job)
            self._waiting.remove(job)
        self.blocks.drop(job)
        if waits:
            self.policy.add(job)
            self._waiting.add((job.place,), job)


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
