"""The scheduler: which ready process may use the engine now.

What is scheduled is the process, over a fixed number of slots: no more processes than the engine
holds sequences, so that nothing queues inside the engine, where the kernel could not see or reorder
it. Before the engine is ready there are no slots.

First come, first served, with a handicap: a level of `nice` is worth a fixed time of waiting. So
whoever waits gets ahead of everyone who comes later by more than the difference of their levels is
worth, and starvation is impossible, without any aging to compute. (A fixed priority starves the
lower ones; one that ages with time orders the queue anew at every step. This order never changes
while a process waits: a heap holds it.)
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .process import NOTHING, Process, State

NICE_S = 0.5
"""Seconds of waiting that a level of nice is worth: from the first to the last it is 20 s."""


@dataclass(order=True, slots=True)
class Ticket:
    """A place in the run queue; the lowest comes first. One whose turn is done is withdrawn."""

    due: float
    number: int  # who came first goes first
    process: Process = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class Scheduler:
    """Admission of processes to the engine. Owns READY and RUNNING."""

    def __init__(self) -> None:
        self._slots = 0
        self._running: set[Process] = set()
        self._queue: list[Ticket] = []
        self._waiting = 0  # without those that were withdrawn and are still in the heap
        self._numbers = itertools.count()

    def open(self, slots: int) -> None:
        """The engine can hold this many sequences; 0 admits nobody."""
        self._slots = slots
        self._dispatch()

    @property
    def num_waiting(self) -> int:
        return self._waiting

    @property
    def num_running(self) -> int:
        return len(self._running)

    @asynccontextmanager
    async def admitted(self, process: Process) -> AsyncIterator[None]:
        """Inside, the process is RUNNING and has a slot."""
        loop = asyncio.get_running_loop()
        due = loop.time() + process.nice * NICE_S
        ticket = Ticket(due, next(self._numbers), process, loop.create_future())
        process.state, process.waiting = State.READY, NOTHING
        heapq.heappush(self._queue, ticket)
        self._waiting += 1
        self._dispatch()
        try:
            await ticket.turn
        except asyncio.CancelledError:
            self._running.discard(process)  # it may have been admitted in the same instant
            self._dispatch()
            raise
        finally:
            self._waiting -= 1
            self._tidy()
        try:
            yield
        finally:
            self._running.discard(process)
            self._dispatch()

    def _tidy(self) -> None:
        """Withdrawn tickets stay where they are, but never many more than there are others."""
        if len(self._queue) > 2 * self._waiting + 16:
            self._queue = [ticket for ticket in self._queue if not ticket.turn.done()]
            heapq.heapify(self._queue)

    def _dispatch(self) -> None:
        while self._queue and len(self._running) < self._slots:
            ticket = heapq.heappop(self._queue)
            if not ticket.turn.done():
                self._running.add(ticket.process)
                ticket.process.state = State.RUNNING
                ticket.turn.set_result(None)
