"""The lease: a process's slot of the engine, and the account of what the engine does for it."""

from __future__ import annotations

from typing import Protocol

from .engine.driver import Prefill
from .scheduling.job import Job
from .scheduling.run_queue import RunQueue
from .tracer import Tracer


class Lessor(Protocol):
    """Who gives leases: the scheduler."""

    queue: RunQueue
    tracer: Tracer | None

    @property
    def goes_on(self) -> bool:
        """Does an answer that is broken off go on from its draft?"""
        ...

    def now(self) -> float:
        """On the loop's clock."""
        ...

    def quantum_is_over(self, lease: Lease) -> bool:
        """And does somebody wait for it?"""
        ...


class Lease:
    """A slot of the engine, for one generation. Whoever has it tells what the engine brings."""

    def __init__(self, job: Job, scheduler: Lessor) -> None:
        self.job = job
        self.tokens_out = 0
        self.answer_tokens: int | None = None
        """Of the whole answer, when it is there."""
        self.asked = False
        """For its slot, by an interactive process."""
        self._breakable = scheduler.goes_on
        self._scheduler = scheduler
        self._metered = scheduler.now()

    def prefilled(self, item: Prefill, draft_tokens: int) -> None:
        """`draft_tokens` came with the submission: if the engine goes on after fewer of them, it
        would again, so that an answer which is broken off there never ends."""
        job, root = self.job, self.job.head.root
        self._breakable = self._scheduler.goes_on and item.draft_tokens == draft_tokens
        if not job.generations and not self.tokens_out:
            root.unseen = max(0, root.unseen + item.tokens_in - job.tokens)
            if job.head is root:
                root.seen(item.tokens_cached)
        if item.tokens_in < job.head.tokens:  # pages that it had in common have left its window
            self._scheduler.queue.rehead(job, root)
        further = item.tokens_in - max(job.reached, item.tokens_cached)
        job.tokens = job.reached = item.tokens_in
        if self._scheduler.tracer is not None:
            self._scheduler.tracer.first(job, item)
        self._charge(item.tokens_in - item.tokens_cached, max(0, further))

    def generated(self, num_tokens: int) -> None:
        self.tokens_out += num_tokens
        self.job.tokens += num_tokens
        self.job.reached = self.job.tokens
        self._charge(num_tokens, num_tokens)

    def completed(self, answer_tokens: int) -> None:
        """The answer, all of it, has so many tokens."""
        self.answer_tokens = answer_tokens
        self.job.generations += 1
        self.job.outputs.add(answer_tokens)
        self.job.head.outputs.add(answer_tokens)

    @property
    def must_yield(self) -> bool:
        """Should its holder end it at this token, and come again with what it has generated?"""
        return self._breakable and (self.asked or self._scheduler.quantum_is_over(self))

    def _charge(self, tokens: int, further: int) -> None:
        """The engine has computed so many tokens, `further` of them for the first time: what was
        thrown out of the cache and is computed again is not the process's fault."""
        now, queue = self._scheduler.now(), self._scheduler.queue
        queue.blocks.grow(self.job)
        self.job.attained += further
        queue.policy.charge(self.job, tokens, now - self._metered)
        self._metered = now
