"""The kernel: all of its layers put together, and its life from boot to halt."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from pathlib import Path

from ..memory.address_space import AddressSpace
from . import records, scheduling_choices
from .control import Control
from .conversations import Conversations
from .core import OF_PLUGINS
from .engine.driver import EngineUnusable
from .links import read_links
from .process import INIT_PID, Process, State, Waiting
from .recovery import Recovered
from .shared import read_shared
from .table import ProcessTable
from .timers import read_timers

PARK_GRACE_S = 5.0
ALARM_SLACK_S = 0.01


class Kernel(Conversations, Control):
    """Owns every process, from boot to halt. `core.py` says how it is made."""

    def adopt_all(self, found: Recovered) -> None:
        """Take over what recovery found in the journal."""
        self.table = ProcessTable(found.last_pid + 1)
        for process in found.processes:
            self.table.add(process)
        for process in self.table:
            above = self.table.get(process.parent)
            if process.pid != INIT_PID and (above is None or not above.alive):
                self.table.reparent(process, INIT_PID)  # its parent ended as it was born
        self.interrupted_calls = found.interrupted_calls
        self._message_ids = itertools.count(found.last_message_id + 1)
        self.adopt_pipes(found.pipes, found.last_pipe_id)

    async def start_init(self) -> None:
        """Pid 1: it runs nothing, it adopts."""
        if INIT_PID not in self.table:
            init = Process(
                pid=INIT_PID,
                parent=0,
                program="init",
                name="init",
                root=Path("/"),
                interactive=True,
                created=self.clock(),
                spawn_key=None,
                space=AddressSpace(""),
                group=INIT_PID,
                session=INIT_PID,
            )
            await self.journal.commit(records.insert_process(init))
            self.table.add(init)
        init = self.table.find(INIT_PID)
        init.state, init.waiting = State.BLOCKED, Waiting("its children")
        self.links.adopt(await self.journal.read(read_links), self.table)
        self.shared.adopt(await self.journal.read(read_shared), self.table)
        await self.namespaces.adopt(self.table)
        self.timers.adopt(*await self.journal.read(read_timers), self.table)
        await scheduling_choices.adopt(self)

    def start_all(self) -> None:
        """Step every process that the journal brought back, and from now on each that is born."""
        self.stepping = True
        self.begun.set()
        for process in self.table:
            if process.adopted and not process.alive:
                self.errand(self.reap(process))  # the crash came before pid 1 got to it
            elif process.alive and process.pid != INIT_PID:
                self.start(process)
        self.timers.start(lambda timer: self.errand(self.ring(timer)))

    def start(self, process: Process) -> None:
        if not self.stepping:
            return
        program = self._programs.get(process.program, self._programs.get(OF_PLUGINS))
        assert program is not None, "checked when the process was made"
        running = program(self, process)
        self._at_work[process.pid] = running
        process.task = asyncio.create_task(running.run(), name=f"process {process.pid}")
        self.watch_the_clock(process)

    def watch_the_clock(self, process: Process) -> None:
        """Wake a process up when its wall time is over: it may be waiting for something else."""
        limit = process.limits.of("wall_s")
        ends = [process.created + limit.hard]
        if process.ending:
            ends.append(process.ending_since + self.config.last_turn_s)
        else:
            ends.append(process.created + limit.soft)
        if process.alarm is not None:
            process.alarm.cancel()
            process.alarm = None
        delay_s = min(ends) - self.clock()
        if delay_s < math.inf:
            loop = asyncio.get_running_loop()
            process.alarm = loop.call_later(max(delay_s, 0.0), self._time_is_up, process)

    def _time_is_up(self, process: Process) -> None:
        if not process.alive or self.parking:
            return
        if process.limits_reached(self.clock(), self.config.last_turn_s):
            process.stopped = False
            process.wake_up()
        else:  # the two clocks do not quite agree
            loop = asyncio.get_running_loop()
            process.alarm = loop.call_later(ALARM_SLACK_S, self._time_is_up, process)

    async def follow_engine(self) -> None:
        """Open the scheduler whenever the engine is ready; a task of its own."""
        with contextlib.suppress(EngineUnusable):
            capacity = await self.engine.ready()
            self.fit_window(capacity.window_tokens)
            self.scheduler.open(capacity)

    async def park(self) -> None:
        """Stop stepping; every process goes on from its last page at the next boot. A syscall
        that must not be cut off is given a few seconds to finish."""
        self.parking = True
        self.timers.stop()
        for pastime in self._pastimes:
            pastime.cancel()
        tasks: list[asyncio.Task[None]] = [*self._errands, *self._pastimes]
        for pid, running in self._at_work.items():
            task = self.table.find(pid).task
            if task is not None and not task.done():
                tasks.append(task)
                if not running.cannot_repeat:
                    task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PARK_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
