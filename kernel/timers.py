"""Timers: messages that a process gets at a time, once or again and again.

A timer is in the journal from the moment at which the call that set it is answered. When it rings,
the message and the timer's end, or its next time, are one transaction: it rings once, over crashes
too. One whose time was over while no kernel ran rings at the next boot, also once.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ..memory.swap import Statement
from ..syscalls.errno import EAGAIN, EINVAL, ENOENT
from .links import Change
from .process import Process
from .table import ProcessTable

SCHEMA = """
CREATE TABLE IF NOT EXISTS timer (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pid INTEGER NOT NULL,
    due REAL NOT NULL,
    cron TEXT NOT NULL,
    text TEXT NOT NULL
);
"""

MAX_TIMERS = 32
"""Of one process."""

LONGEST_SLEEP_S = 3600.0
"""Then the clock is looked at again: it may have been set."""


@dataclass(frozen=True, slots=True)
class Timer:
    """`due` is in Unix seconds; `cron` says when it rings again, '' never."""

    id: int
    pid: int
    due: float
    cron: str
    text: str


class Timers:
    """All of them. `start` says what is to be done with one that is due."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._timers: dict[int, Timer] = {}
        self._of: defaultdict[int, set[int]] = defaultdict(set)
        self._queue: list[tuple[float, int]] = []  # may hold what has been cancelled or moved
        self._last_id = 0
        self._ring: Callable[[Timer], None] | None = None
        self._sleep: asyncio.TimerHandle | None = None

    def adopt(self, timers: Iterable[Timer], last_id: int, table: ProcessTable) -> None:
        """Take over what the journal holds, of processes that live."""
        self._last_id = last_id
        for timer in timers:
            process = table.get(timer.pid)
            if process is not None and process.alive:
                self.put(timer)

    def start(self, ring: Callable[[Timer], None]) -> None:
        self._ring = ring
        self._arm()

    def stop(self) -> None:
        self._ring = None
        if self._sleep is not None:
            self._sleep.cancel()

    def of(self, pid: int) -> list[Timer]:
        """Those of a process, the next first."""
        found = [self._timers[id] for id in self._of.get(pid, ())]
        return sorted(found, key=lambda timer: (timer.due, timer.id))

    def set(
        self, process: Process, text: str, *, seconds: float = 0.0, cron: str = ""
    ) -> tuple[Timer, Change]:
        """A timer in so many seconds, or at the times that `cron` says. Raises EAGAIN, EINVAL."""
        if len(self._of.get(process.pid, ())) >= MAX_TIMERS:
            raise EAGAIN(
                f"process {process.pid} has {MAX_TIMERS} alarms, which is the limit",
                hint="cancel one, or wait for it",
            )
        now = self._clock()
        due = next_time(cron, now) if cron else now + seconds
        self._last_id += 1
        timer = Timer(self._last_id, process.pid, due, cron, text)
        return timer, ([_write(timer)], lambda: self.put(timer))

    def cancel(self, process: Process, id: int) -> Change:
        """Raises ENOENT."""
        if id not in self._of.get(process.pid, ()):
            known = ", ".join(str(timer.id) for timer in self.of(process.pid))
            raise ENOENT(
                f"there is no alarm {id}", hint=f"there are {known}" if known else "there is none"
            )
        return [_delete(id)], lambda: self.drop(id)

    def put(self, timer: Timer) -> None:
        """In memory: new, or with another time."""
        self._timers[timer.id] = timer
        self._of[timer.pid].add(timer.id)
        heapq.heappush(self._queue, (timer.due, timer.id))
        self._arm()

    def drop(self, id: int) -> None:
        timer = self._timers.pop(id, None)
        if timer is not None:
            self._of[timer.pid].discard(id)
            if not self._of[timer.pid]:
                del self._of[timer.pid]

    def rung(self, timer: Timer) -> Change:
        """For the transaction in which its message is put into the mailbox."""
        if not timer.cron:
            return [_delete(timer.id)], lambda: self.drop(timer.id)
        later = replace(timer, due=next_time(timer.cron, self._clock()))
        update = ("UPDATE timer SET due = ? WHERE id = ?", (later.due, later.id))
        return [update], lambda: self._move(later)

    def delay(self, timer: Timer, seconds: float) -> None:
        """It could not ring; it is tried again."""
        self._move(replace(timer, due=self._clock() + seconds))

    def end(self, pid: int) -> list[Statement]:
        """For the transaction in which a process ends."""
        return [("DELETE FROM timer WHERE pid = ?", (pid,))] if pid in self._of else []

    def ended(self, pid: int) -> None:
        for id in tuple(self._of.get(pid, ())):
            self.drop(id)

    def _move(self, timer: Timer) -> None:
        if timer.id in self._timers:  # else it was cancelled meanwhile
            self.put(timer)

    # ---- waiting for the next -------------------------------------------------------------

    def _arm(self) -> None:
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None
        if self._ring is not None and self._queue:
            delay = min(max(self._queue[0][0] - self._clock(), 0.0), LONGEST_SLEEP_S)
            self._sleep = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        now, ring = self._clock(), self._ring
        while ring is not None and self._queue and self._queue[0][0] <= now:
            due, id = heapq.heappop(self._queue)
            timer = self._timers.get(id)
            if timer is not None and timer.due == due:
                ring(timer)
        self._arm()


def next_time(cron: str, now: float) -> float:
    """The next time after `now` that a cron expression names, on the clock of the machine. Raises
    EINVAL."""
    from cronsim import CronSim, CronSimError

    try:
        if len(cron.split()) != 5:
            raise CronSimError
        return next(CronSim(cron, datetime.fromtimestamp(now))).timestamp()
    except (CronSimError, StopIteration, OverflowError):
        raise EINVAL(
            f"cron: {cron!r} names no time",
            hint="minute, hour, day, month and weekday, as in `0 9 * * MON-FRI`",
        ) from None


def _write(timer: Timer) -> Statement:
    row = (timer.id, timer.pid, timer.due, timer.cron, timer.text)
    return ("INSERT INTO timer VALUES (?, ?, ?, ?, ?)", row)


def _delete(id: int) -> Statement:
    return ("DELETE FROM timer WHERE id = ?", (id,))


def read_timers(connection: sqlite3.Connection) -> tuple[list[Timer], int]:
    """All of them, and the last number that was given out."""
    rows = connection.execute("SELECT id, pid, due, cron, text FROM timer ORDER BY id")
    timers = [Timer(*row) for row in rows]
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'timer'").fetchone()
    return timers, int(last[0]) if last else 0
