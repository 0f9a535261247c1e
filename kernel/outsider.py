"""The outsider: runs a program that a plugin has brought, in a process of ours.

The program itself runs in a worker of its plugin. The kernel gives it the task, answers what it
asks on the process's behalf, and takes what it returns for the output. It has no place to go on
from: one that a crash or a halt has cut off is not begun again, because what it did may have
happened, and its process ends and says so.
"""

from __future__ import annotations

import asyncio
import logging

from ..syscalls import Context
from ..syscalls.errno import SyscallError
from .footing import Interrupted
from .journal import JournalError
from .kernel import Kernel
from .obedience import Obedience
from .process import EXIT_FAILED, Process, State, Waiting
from .services import Services
from .signals import Signal

log = logging.getLogger(__name__)

RETRY_JOURNAL_S = 1.0
CUT_OFF = "(EINTR: the kernel went down while it ran; what it did may or may not have happened)"


class Outsider(Obedience):
    """Of one process. INT, TERM, XCPU and KILL end the program where it is; a STOP, which no
    worker could obey, takes effect before it begins."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        super().__init__(kernel, process)
        self._began = False

    async def run(self) -> None:
        """Until it has exited or the kernel parks."""
        process = self._process
        while process.alive and not self._kernel.parking:
            try:
                await self._advance()
            except Interrupted:
                pass  # the next step obeys
            except JournalError as error:
                log.error("process %d waits for the journal: %s", process.pid, error)
                self._become(State.BLOCKED, Waiting("the journal"))
                await asyncio.sleep(RETRY_JOURNAL_S)

    async def _advance(self) -> None:
        process = self._process
        if process.pending is not None:
            signal = process.take_signal()
            assert signal is not None
            await self._exit(signal.exit_status, "")
        elif reached := self._limits_reached():
            await self._exit(Signal.XCPU.exit_status, f"(the limit of {reached[0][0]} is reached)")
        elif process.stopped:
            self._become(State.STOPPED)
            process.continued.clear()
            await process.continued.wait()
        elif process.space.last is not None and not self._began:
            await self._exit(EXIT_FAILED, CUT_OFF)
        else:
            await self._work()

    async def _work(self) -> None:
        process, kernel = self._process, self._kernel
        if not self._began:
            while not self._intake.ready:
                self._become(State.BLOCKED, self._intake.waits)
                await self._interruptible(self._intake.arrival())
            await self._interruptible(kernel.engine.ready())  # it counts the tokens of a page
            reading = await self._intake.take()
            if reading is None:
                return
            page = self._new_page("user", reading.text)
            await self._append(page, reading.statements, reading.take_place)
            self._began = True
        assert process.space.last is not None
        self._become(State.BLOCKED, Waiting(f"its program {process.program}"))
        process.stop_breaks = False
        services = Services(kernel, process, "program")
        try:
            text = await self._interruptible(self._run(process.space.last.text, services))
        except SyscallError as error:
            await self._exit(EXIT_FAILED, str(error))
            return
        finally:
            process.stop_breaks = True
        effects = services.effects
        page = self._new_page("assistant", text)
        await self._append(page, effects.statements, effects.take_place)
        self._publish_turn("done", text)
        await self._exit(0, text)

    async def _run(self, task: str, services: Services) -> str:
        process = self._process
        host, name = self._kernel.plugins.program(process.program)
        context = Context(pid=process.pid, call_id="program", root=process.root, kernel=services)
        return await host.run_program(name, task, context)
