"""The backlog: work that was accepted and that the engine has not come to. It is bounded, and new
work is refused with a time to try again: a queue without an end would only answer later and later.

Nothing that was accepted is refused afterwards: what agents send to each other, what supervisors
start again and what a boot finds goes on, and may make the backlog longer than it should be.
"""

from __future__ import annotations

import math

from ..syscalls.errno import EAGAIN
from .process import Process, State
from .scheduler import Scheduler

ROOM_TO_COME_BACK = 0.05
"""Whoever is refused is told when this share of the queue will be free, so that not all come back
for the first place."""

LEAST_RETRY_S = 1.0


class Backlog:
    """Owned by the kernel: the processes that have work and are not in the run queue yet (they read
    it, or the engine loads), beside those that are."""

    def __init__(self, scheduler: Scheduler, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        self._scheduler = scheduler
        self._coming: dict[Process, None] = {}

    def expect(self, process: Process) -> None:
        """It has been given something to do."""
        self._coming[process] = None

    def forget(self, process: Process) -> None:
        """It has ended."""
        self._coming.pop(process, None)

    def check_room(self, num_unborn: int = 0) -> None:
        """Raises EAGAIN when as many wait as may; `num_unborn` are being accepted."""
        most = self.max_waiting
        if len(self._scheduler.queue) + len(self._coming) + num_unborn < most:
            return
        self._coming = {process: None for process in self._coming if _is_coming(process)}
        waiting = len(self._scheduler.queue) + len(self._coming) + num_unborn
        if waiting >= most:
            places = waiting - most + max(1, math.ceil(most * ROOM_TO_COME_BACK))
            retry_s = math.ceil(max(LEAST_RETRY_S, self._scheduler.foreseen_s(places)))
            raise EAGAIN(
                f"{waiting} processes wait for the engine, and no more than {most} may",
                hint=f"try again in {retry_s} s",
                retry_s=retry_s,
            )


def _is_coming(process: Process) -> bool:
    """Has it something to do, and not asked for the engine yet?"""
    if process.stopped or process.state in (State.READY, State.RUNNING, State.ZOMBIE):
        return False
    last = process.space.last
    return len(process.mailbox) > 0 or (last is not None and last.role != "assistant")
