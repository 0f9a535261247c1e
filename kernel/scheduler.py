"""The scheduler: which ready process may use the engine now.

What is scheduled is the process, over a fixed number of slots: no more processes than the engine
holds sequences, so that nothing queues inside the engine, where the kernel could not see or reorder
it. Before the engine is ready there are no slots. Who is next is the run queue's and the policy's
(`scheduling/`); here are the slots, and those who wait for them.

There are a few slots more for interactive processes. One that finds none of them either gets that
of another process, the last in the policy's order, at its next token. What that one has generated
is kept.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Collection, Hashable
from contextlib import asynccontextmanager

from .engine.driver import Capacity
from .lease import Lease
from .process import NOTHING, Process, State
from .scheduling import Policy
from .scheduling.job import FIRST_OUTPUT_TOKENS, Average, Head, Job
from .scheduling.run_queue import NICE_S, RunQueue
from .scheduling.settings import Settings
from .tracer import Tracer

__all__ = ["NICE_S", "Scheduler"]

LEAST_RUN_TOKENS = 16
"""What a process generates at least before its slot goes to an interactive one, if that can be."""

NUM_LEFT = 64
"""Of how many that left the engine the pace is taken."""

MAX_HEADS = 1024
MAX_HEADS_IN_LINE = 8
"""Heads that go on from one another; what is beyond is counted for each by itself."""


class Scheduler:
    """Admission of processes to the engine. Owns READY and RUNNING."""

    def __init__(
        self,
        policy: Policy,
        name: str = "",
        settings: Settings = Settings(),  # noqa: B008
    ) -> None:
        self.queue = RunQueue(policy, settings)
        self.settings = settings
        self.policy_name = name or type(policy).__name__
        self.num_slots = 0
        """0 before the engine is ready."""
        self.num_further = 0
        """Slots that only interactive processes get."""
        self.shares: dict[int, float] = {}
        """What sessions have of the engine by policies that share it, against 1 of all others."""
        self.capacity: Capacity | None = None
        self.tracer: Tracer | None = None
        """Told of all that happens here."""
        self._jobs: dict[Process, Job] = {}
        self._heads: dict[Hashable, Head] = {}
        self._turns: dict[Job, asyncio.Future[None]] = {}  # of those that wait
        self._running: dict[Process, Lease] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._left: deque[float] = deque(maxlen=NUM_LEFT)  # when, while others waited
        self._crowded_since = 0.0

    # ---- what the kernel does with it -----------------------------------------------------

    def open(self, capacity: Capacity) -> None:
        """The engine can hold this much; no slots admit nobody."""
        self.num_slots, self.num_further = capacity.max_num_seqs, capacity.interactive_seqs
        self.capacity = capacity
        self.queue.blocks.resize(capacity.kv_cache_tokens, capacity.block_tokens)
        if self.tracer is not None:
            self.tracer.engine(capacity)
        self._dispatch()

    def use(self, policy: Policy, name: str = "") -> None:
        """Schedule by another policy from now on. Who waits or runs goes on doing so."""
        self.queue.use(policy)
        self.policy_name = name or type(policy).__name__
        if self.tracer is not None:
            self.tracer.policy(self.policy_name, self.settings)
        self._dispatch()

    def watch(self, tracer: Tracer | None) -> None:
        """Let the tracer know of all that happens from now on, and of who waits or runs by now.
        None: of nothing any more."""
        self.tracer = tracer
        self.queue.on_taken = None if tracer is None else self._taken
        if tracer is None:
            return
        if self.capacity is not None:
            tracer.engine(self.capacity)
        tracer.policy(self.policy_name, self.settings)
        for lease in self._running.values():
            tracer.asked(lease.job, self.queue)
            tracer.admitted(lease.job, self.queue)
        for job in self.queue:
            tracer.asked(job, self.queue)

    @asynccontextmanager
    async def admitted(
        self,
        process: Process,
        *,
        head: Head,
        tokens: int = 0,
        interactive: bool = False,
    ) -> AsyncIterator[Lease]:
        """Inside, the process is RUNNING and has a slot. Its prompt begins with the `head`, unless
        it is a fork's; `tokens` are of what follows, as far as is known."""
        job = self.enrol(process, head)
        job.tokens = tokens + job.head.root.unseen
        job.interactive = interactive
        job.weight = self.shares.get(process.session, 1.0)
        job.deadline = process.created + process.limits.of("wall_s").hard
        process.state, process.waiting = State.READY, NOTHING
        if not len(self.queue):
            self._crowded_since = self.now()
            self._left.clear()
        turn = self._turns[job] = asyncio.get_running_loop().create_future()
        self.queue.add(job, self.now())
        if self.tracer is not None:
            self.tracer.asked(job, self.queue)
        try:
            self._dispatch()
            await turn
        except BaseException:
            self._withdraw(job)
            self._leave(job)  # it may have been admitted in the same instant
            raise
        try:
            yield self._running[process]
        finally:
            self._leave(job)

    def enrol(self, process: Process, head: Head) -> Job:
        """The process as the scheduler sees it, which it did not before if it had not asked for the
        engine."""
        return self._jobs.get(process) or self._make(process, head)

    def pause(self, process: Process, reason: str) -> None:
        """Between two generations of a turn: its blocks are kept for as long as this mostly takes.
        `reason` is the name of a syscall, or what else it waits for."""
        job = self._jobs.get(process)
        if job is not None:
            self.queue.keep(job, reason, self.now())
            if self.tracer is not None:
                self.tracer.paused(job, reason)

    def idle(self, process: Process) -> None:
        """Its turn is over, or it is stopped: nothing is kept for it."""
        job = self._jobs.get(process)
        if job is not None:
            if job.interactive:
                job.attained = 0
            if self.tracer is not None:
                self.tracer.idled(job)
            if job.held:
                self.queue.release(job)
                self._dispatch()

    def forget(self, process: Process) -> None:
        """It has ended."""
        self.idle(process)
        job = self._jobs.pop(process, None)
        if job is not None:
            job.head.root.users -= 1
            self.queue.policy.forget(job)
            if self.tracer is not None:
                self.tracer.ended(job)

    def flushed(self, process: Process, tokens: int) -> None:
        """So many tokens of it have left its window."""
        if self.tracer is not None:
            self.tracer.flushed(process, tokens)

    def forked(self, parent: Process, child: Process, tokens: int | None = None) -> None:
        """The child's prompt begins with its parent's, as far as that had been in the engine. So
        many `tokens` are in its window: else, as many as its pages have."""
        above = self._jobs.get(parent)
        if above is None or not above.generations:
            return
        head = above.head
        if tokens is None:
            tokens = child.space.num_resident_tokens
        known = tokens + head.root.unseen
        shared = min(above.tokens, known)
        is_longer = shared >= head.tokens + self.queue.blocks.block_tokens
        if is_longer and sum(1 for _ in head.chain()) < MAX_HEADS_IN_LINE:
            head = Head(shared, above=head, outputs=head.outputs)
            self.queue.rehead(above, head)
        job = self._make(child, head)
        if self.tracer is not None:
            self.tracer.forked(job, parent, shared)

    def begun_anew(self, process: Process) -> None:
        """Its window is empty: an exec."""
        job = self._jobs.get(process)
        if job is not None:
            self.flushed(process, job.tokens)
            self.queue.release(job)
            self.queue.rehead(job, job.head.root)
            self._dispatch()

    @property
    def goes_on(self) -> bool:
        """Does the engine go on from where an answer was broken off?"""
        return self.capacity is None or self.capacity.goes_on

    @property
    def fault(self) -> str:
        """Why the policy is not asked any more, if that is somebody's package and has failed."""
        return str(getattr(self.queue.policy, "fault", ""))

    # ---- looking --------------------------------------------------------------------------

    @property
    def num_waiting(self) -> int:
        return len(self.queue)

    @property
    def num_running(self) -> int:
        return len(self._running)

    def job(self, process: Process) -> Job | None:
        """None for one that has not asked for the engine yet."""
        return self._jobs.get(process)

    def row(self, process: Process) -> tuple[int | None, float, int]:
        """(level, seconds that it has waited, blocks that are held for it), for `ps`."""
        job = self._jobs.get(process)
        if job is None:
            return None, 0.0, 0
        waits = job in self.queue
        return self.queue.policy.level(job), self.now() - job.since if waits else 0.0, job.held

    def runs(self, job: Job) -> bool:
        return job.process in self._running

    @property
    def jobs(self) -> Collection[Job]:
        """Of all that have asked for the engine."""
        return self._jobs.values()

    def foreseen_s(self, ahead: int) -> float:
        """Until so many that wait are admitted, at the pace at which slots became free of late; 0
        when that is not known."""
        if not self._left:
            return 0.0
        is_full = len(self._left) == NUM_LEFT
        since = self._left[0] if is_full else self._crowded_since
        return (self.now() - since) / len(self._left) * ahead

    @staticmethod
    def now() -> float:
        """On the loop's clock."""
        return asyncio.get_running_loop().time()

    # ---- jobs -----------------------------------------------------------------------------

    def _make(self, process: Process, head: Head) -> Job:
        head.root.users += 1
        job = self._jobs[process] = Job(process, head, Average(FIRST_OUTPUT_TOKENS))
        return job

    def head(self, key: Hashable) -> Head:
        """That of all prompts that begin in this way; of no length, if it is new."""
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= MAX_HEADS:
                self._heads = {key: head for key, head in self._heads.items() if head.users}
            head = self._heads[key] = Head()
        return head

    # ---- slots ----------------------------------------------------------------------------

    def _dispatch(self) -> None:
        now = self.now()
        while len(self.queue) and len(self._running) < self.num_slots:
            job = self.queue.admit(now, idle=not self._running)
            if job is None:
                self._wake_at(self.queue.next_expiry(now))
                break
            self._let_in(job, now)
        further = self.num_slots + self.num_further
        while self.queue.num_urgent and len(self._running) < further:
            job = self.queue.admit_urgent(now)
            if job is None:
                break
            self._let_in(job, now)
        self._ask_for_slots()

    def _let_in(self, job: Job, now: float) -> None:
        turn = self._turns.pop(job)
        if turn.done():  # it is being cancelled, and has not noticed yet
            self.queue.keep(job, "", now)
            if self.tracer is not None:
                self.tracer.withdrew(job, self.queue)
            return
        self._running[job.process] = Lease(job, self)
        job.process.state = State.RUNNING
        if self.tracer is not None:
            self.tracer.admitted(job, self.queue)
        turn.set_result(None)

    def _wake_at(self, when: float) -> None:
        """Look again then: blocks that are kept until then may be what somebody waits for."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        if when < math.inf:
            self._alarm = asyncio.get_running_loop().call_at(when, self._dispatch)

    def _withdraw(self, job: Job) -> None:
        if self._turns.pop(job, None) is not None:
            self.queue.remove(job)
            if self.tracer is not None:
                self.tracer.withdrew(job, self.queue)

    def _leave(self, job: Job) -> None:
        """Out of the engine, or out of the queue. What it holds it keeps for a while."""
        now = self.now()
        lease = self._running.pop(job.process, None)
        if lease is not None and len(self.queue):
            self._left.append(now)
        self.queue.keep(job, "", now)
        if lease is not None and self.tracer is not None:
            self.tracer.left(job, self.queue, lease.tokens_out, lease.answer_tokens)
        self._dispatch()

    def _taken(self, job: Job, blocks: int) -> None:
        if self.tracer is not None:
            self.tracer.dropped(job, blocks, self.queue)

    def quantum_is_over(self, lease: Lease) -> bool:
        """And does somebody wait for it?"""
        return len(self.queue) > 0 and self.queue.policy.yields(lease.job, lease.tokens_out)

    def _ask_for_slots(self) -> None:
        """One for each interactive process that waits, of those that are last in the order."""
        wanted = self.queue.num_urgent if self.num_slots else 0
        asked = [lease for lease in self._running.values() if lease.asked]
        for lease in asked[wanted:]:
            lease.asked = False  # somebody else has left meanwhile
        if len(asked) < wanted:
            key = self.queue.policy.key
            batch = [one for one in self._running.values() if not one.asked]
            batch = [one for one in batch if not one.job.interactive]
            batch.sort(key=lambda one: key(one.job), reverse=True)
            batch.sort(key=lambda one: one.tokens_out < LEAST_RUN_TOKENS)
            for lease in batch[: wanted - len(asked)]:
                lease.asked = True
