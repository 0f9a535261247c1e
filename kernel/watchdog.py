"""The watchdog: finds children that make no step, and asks no earlier than one could be found.

A step is what the stepper takes, or the engine for it (`Process.touched`). Not hung is who waits
for a message, or for its turn in the engine, who was stopped, and anybody while the engine is away:
to kill those would make nothing better, and a whole set of children would fail with one engine.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass

from .engine.supervisor import Engine
from .messages import ChildSpec
from .process import Process, State

SLACK_S = 1e-6
"""Timers and clocks agree but for this."""


@dataclass(frozen=True, slots=True)
class Look:
    """The first that is hung, or the seconds in which none can be."""

    hung: tuple[ChildSpec, Process, float] | None
    quiet_s: float


class Watchdog:
    """Of one supervisor. What it remembers is of this kernel's life: a crash gives time anew."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._engine_restarts = engine.status(0).restarts
        self._excused_at: dict[int, float] = {}
        """When a child last had a good reason to make no step, by pid."""

    def look(self, children: Iterable[tuple[ChildSpec, Process]]) -> Look:
        now, first = asyncio.get_running_loop().time(), math.inf
        away = self._engine_was_away()
        for child, process in children:
            if child.watchdog_s is None:
                continue
            if away or process.pid not in self._excused_at or _idles(process):
                self._excused_at[process.pid] = now
            deadline = max(process.touched, self._excused_at[process.pid]) + child.watchdog_s
            if now >= deadline - SLACK_S:
                self._excused_at[process.pid] = math.inf  # it is killed once
                return Look((child, process, child.watchdog_s), 0.0)
            first = min(first, deadline)
        return Look(None, first - now)

    def forget(self, pid: int) -> None:
        self._excused_at.pop(pid, None)

    def _engine_was_away(self) -> bool:
        """Is it now, or was it since the last look?"""
        engine = self._engine.status(0)
        restarted = engine.restarts != self._engine_restarts
        self._engine_restarts = engine.restarts
        return restarted or engine.state != "ready"


def _idles(process: Process) -> bool:
    return process.mailbox.awaited or process.state in (State.NEW, State.READY, State.STOPPED)
