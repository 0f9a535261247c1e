"""What can be seen of the scheduler: its queue and levels, the engine's blocks, and how one process
stands."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..syscalls.offers import SCHEDULING
from . import messages, scheduling
from .core import Core
from .process import Process
from .scheduler import Scheduler
from .scheduling.job import Job


@dataclass(frozen=True, slots=True)
class Standing:
    """How a process stands with the scheduler: `ahead` of it in the policy's order are so many of
    those that wait. In KV blocks: `held` for it, and what its admission would take more."""

    waits: bool
    runs: bool
    level: int
    waited_s: float
    ahead: int
    held: int
    wanted: int
    keeps_s: float  # for how long what is held stays, if somebody needs it
    foreseen_tokens: int


def standing(scheduler: Scheduler, process: Process) -> Standing | None:
    """None for one that has not asked for the engine yet."""
    job = scheduler.job(process)
    if job is None:
        return None
    queue, now = scheduler.queue, scheduler.now()
    policy, waits = queue.policy, job in queue
    place = (policy.key(job), job.number)
    return Standing(
        waits=waits,
        runs=scheduler.runs(job),
        level=policy.level(job),
        waited_s=now - job.since if waits else 0.0,
        ahead=sum((policy.key(one), one.number) < place for one in queue) if waits else 0,
        held=job.held,
        wanted=queue.blocks.wanted(job),
        keeps_s=max(0.0, job.keep_until - now) if job.held else 0.0,
        foreseen_tokens=job.foreseen_output(),
    )


def info(kernel: Core) -> messages.SchedulerInfo:
    """The whole of it."""
    scheduler, totals = kernel.scheduler, kernel.engine.totals()
    return messages.SchedulerInfo(
        policy=scheduler.policy_name,
        policies=policies(kernel),
        fault=scheduler.fault,
        slots=scheduler.num_slots,
        running=scheduler.num_running,
        waiting=scheduler.num_waiting,
        max_waiting=kernel.config.max_waiting,
        wait_s=scheduler.foreseen_s(scheduler.num_waiting),
        hit_rate=totals.tokens_cached / totals.tokens_in if totals.tokens_in else 0.0,
        levels=_levels(scheduler),
        blocks=_blocks(scheduler),
        shares={str(session): weight for session, weight in scheduler.shares.items()},
    )


def queue(scheduler: Scheduler) -> messages.QueueInfo:
    """What changes from moment to moment."""
    return messages.QueueInfo(
        policy=scheduler.policy_name,
        slots=scheduler.num_slots,
        running=scheduler.num_running,
        waiting=scheduler.num_waiting,
        levels=_levels(scheduler),
        blocks=_blocks(scheduler),
    )


def policies(kernel: Core) -> list[str]:
    """Of all that can be used, those of plugins last."""
    return [*scheduling.names(), *kernel.plugins.offered(SCHEDULING)]


def _levels(scheduler: Scheduler) -> list[messages.LevelInfo]:
    now, found = scheduler.now(), dict[int, messages.LevelInfo]()
    for job in scheduler.jobs:
        waits = job in scheduler.queue
        if not (waits or scheduler.runs(job)):
            continue
        level = scheduler.queue.policy.level(job)
        seen = found.get(level, messages.LevelInfo(level, 0, 0.0, 0))
        found[level] = (
            replace(
                seen,
                waiting=seen.waiting + 1,
                longest_s=max(seen.longest_s, now - job.since),
            )
            if waits
            else replace(seen, running=seen.running + 1)
        )
    return [found[level] for level in sorted(found)]


def _blocks(scheduler: Scheduler) -> messages.BlockInfo | None:
    blocks = scheduler.queue.blocks
    if not blocks.total:
        return None
    running = sum(job.held for job in scheduler.jobs if scheduler.runs(job))
    kept = sum(job.held for job in scheduler.jobs if not scheduler.runs(job))
    return messages.BlockInfo(
        total=blocks.total,
        tokens=blocks.block_tokens,
        running=running,
        kept=kept,
        shared=blocks.held - running - kept,
        free=blocks.total - blocks.held,
    )


def holders(scheduler: Scheduler, but: Process) -> list[Job]:
    """Who else has blocks of the engine, the largest first."""
    found = [job for job in scheduler.jobs if job.held and job.process is not but]
    return sorted(found, key=lambda job: -job.held)


def is_kept(job: Job) -> bool:
    """Are its blocks kept over a gap that has an end?"""
    return job.keep_until < math.inf
