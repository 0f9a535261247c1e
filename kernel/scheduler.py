"""The scheduler: which ready process may use the engine now.

What is scheduled is the process. First come, first served over a fixed number of slots: no more
processes than the engine holds sequences, so that nothing queues inside the engine, where the
kernel could not see or reorder it. Before the engine is ready there are no slots.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .process import NOTHING, Process, State


class Scheduler:
    """Admission of processes to the engine. Owns READY and RUNNING."""

    def __init__(self) -> None:
        self._slots = 0
        self._running: set[Process] = set()
        self._queue: deque[tuple[Process, asyncio.Future[None]]] = deque()

    def open(self, slots: int) -> None:
        """The engine can hold this many sequences; 0 admits nobody."""
        self._slots = slots
        self._dispatch()

    @property
    def num_waiting(self) -> int:
        return len(self._queue)

    @asynccontextmanager
    async def admitted(self, process: Process) -> AsyncIterator[None]:
        """Inside, the process is RUNNING and has a slot."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket = (process, turn)
        process.state, process.waiting = State.READY, NOTHING
        self._queue.append(ticket)
        self._dispatch()
        try:
            await turn
        except asyncio.CancelledError:
            self._withdraw(ticket)
            raise
        try:
            yield
        finally:
            self._running.discard(process)
            self._dispatch()

    def _withdraw(self, ticket: tuple[Process, asyncio.Future[None]]) -> None:
        if ticket in self._queue:
            self._queue.remove(ticket)
        else:  # admitted in the same instant
            self._running.discard(ticket[0])
            self._dispatch()

    def _dispatch(self) -> None:
        while self._queue and len(self._running) < self._slots:
            process, turn = self._queue.popleft()
            if not turn.done():
                self._running.add(process)
                process.state = State.RUNNING
                turn.set_result(None)
