"""The tracer: what the scheduler does with whom, and when, as events that can be written down.

An event is a dict of plain values. Each has `t`, seconds since the trace began (below 0 for what
began before it), and `e`, its kind; those of a process have `pid`:

    engine     its `capacity`; again after a restart
    policy     its `name` and `settings`; again when another one is used
    process    before the first event of each: parent, name, program, nice, session, whether it is
               interactive, seconds since the trace began at its birth, `wall_s` that it may live
    ask        it is runnable: tokens as far as known, the head that its prompt begins with, and
               whether somebody waits for it at a screen
    withdraw   it does not wait any more, and was not admitted
    admit      it has a slot, and so many blocks are held for it
    first      the first token is there: prompt tokens `in`, of them `cached`, `draft` of them of an
               answer that was broken off
    leave      out of the slot after `out` tokens; `answer` is how many the whole answer has, null
               when it was broken off
    gap        a turn goes on after this (`name` of a syscall, or what it waits for)
    idle       its turn is over
    flush      so many tokens have left its window
    fork       it has come from `parent`, and has so many tokens of its prompt in common
    drop       so many blocks that were kept for it are somebody else's
    end        it has ended

`ask`, `withdraw`, `admit`, `leave` and `drop` tell how many wait and run, and the blocks held for
all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from .engine.driver import Capacity, Prefill
from .process import Process
from .scheduling.job import Head, Job
from .scheduling.run_queue import RunQueue
from .scheduling.settings import Settings

Event = dict[str, Any]


class Tracer:
    """Told by the scheduler, from some moment on; tells `write`, which must not block. `epoch` is
    the Unix time of the clock's `began`."""

    def __init__(
        self, write: Callable[[Event], None], clock: Callable[[], float], epoch: float
    ) -> None:
        self.began = clock()
        self._write, self._clock, self._epoch = write, clock, epoch
        self._heads: dict[Head, int] = {}
        self._known: set[Process] = set()
        self._running = 0

    # ---- all ------------------------------------------------------------------------------

    def engine(self, capacity: Capacity) -> None:
        self._event("engine", capacity=asdict(capacity))

    def policy(self, name: str, settings: Settings) -> None:
        self._event("policy", name=name, settings=settings.given())

    # ---- a process ------------------------------------------------------------------------

    def asked(self, job: Job, queue: RunQueue) -> None:
        self._introduce(job)
        root = job.head.root
        head = self._heads.setdefault(root, len(self._heads))
        self._crowd(
            "ask",
            job,
            queue,
            job.since,
            tokens=job.tokens,
            head=head,
            head_tokens=root.tokens,
            interactive=job.interactive,
        )

    def withdrew(self, job: Job, queue: RunQueue) -> None:
        self._crowd("withdraw", job, queue)

    def admitted(self, job: Job, queue: RunQueue) -> None:
        self._running += 1
        self._crowd("admit", job, queue, blocks=job.held)

    def first(self, job: Job, item: Prefill) -> None:
        tokens = {"in": item.tokens_in, "cached": item.tokens_cached, "draft": item.draft_tokens}
        self._event("first", job.process, **tokens)

    def left(self, job: Job, queue: RunQueue, tokens_out: int, answer_tokens: int | None) -> None:
        self._running -= 1
        self._crowd("leave", job, queue, out=tokens_out, answer=answer_tokens)

    def paused(self, job: Job, reason: str) -> None:
        self._of_known("gap", job.process, name=reason)

    def idled(self, job: Job) -> None:
        self._of_known("idle", job.process)

    def flushed(self, process: Process, tokens: int) -> None:
        self._of_known("flush", process, tokens=tokens)

    def forked(self, job: Job, parent: Process, tokens: int) -> None:
        self._introduce(job)
        self._event("fork", job.process, parent=parent.pid, tokens=tokens)

    def dropped(self, job: Job, blocks: int, queue: RunQueue) -> None:
        if job.process in self._known:
            self._crowd("drop", job, queue, blocks=blocks)

    def ended(self, job: Job) -> None:
        self._of_known("end", job.process)
        self._known.discard(job.process)

    # ---- events ---------------------------------------------------------------------------

    def _introduce(self, job: Job) -> None:
        process = job.process
        if process in self._known:
            return
        self._known.add(process)
        wall_s = process.limits.of("wall_s").hard
        self._event(
            "process",
            process,
            parent=process.parent,
            name=process.name,
            program=process.program,
            nice=process.nice,
            session=process.session,
            interactive=process.interactive,
            born=round(process.created - self._epoch, 6),
            wall_s=wall_s if wall_s < math.inf else None,
        )

    def _crowd(
        self, kind: str, job: Job, queue: RunQueue, when: float | None = None, **fields: Any
    ) -> None:
        crowd = {"waiting": len(queue), "running": self._running, "held": queue.blocks.held}
        self._event(kind, job.process, when, **fields, **crowd)

    def _of_known(self, kind: str, process: Process, **fields: Any) -> None:
        if process in self._known:
            self._event(kind, process, **fields)

    def _event(
        self, kind: str, process: Process | None = None, when: float | None = None, **fields: Any
    ) -> None:
        now = self._clock() if when is None else when
        whose = {} if process is None else {"pid": process.pid}
        self._write({"t": round(now - self.began, 6), "e": kind, **whose, **fields})
