"""The stepper: runs one process, an action at a time.

Each action ends in one journal transaction, and memory changes with it: what the journal holds and
what the process knows never differ. A signal breaks off the operation that is under way, at a token
boundary when that is a generation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

from ..memory.page import Call, Page
from ..syscalls.errno import SyscallError
from . import agent, form, messages, records
from .arguments import arguments_of
from .engine.driver import EngineError, EngineUnusable
from .footing import Interrupted, TurnInProgress
from .generation import Generation
from .journal import JournalError
from .process import EXIT_FAILED, State, Waiting
from .side_by_side import batches, together
from .signals import Signal
from .trap import Outcome, trap, trap_batch

log = logging.getLogger(__name__)

RETRY_JOURNAL_S = 1.0


class Stepper(Generation):
    """Steps one process until it exits. Lives as long as the process is in memory."""

    async def run(self) -> None:
        """Step until the end. Returns early, at an action's border, when the kernel parks."""
        while self._process.alive and not self._kernel.parking:
            try:
                await self._advance()
            except JournalError as error:
                # Nothing was changed; the same step is tried again when the disk is back.
                await self._wait_for_the_journal(error)

    async def _advance(self) -> None:
        """One step, whatever comes of it. Raises JournalError, and then nothing has changed."""
        process = self._process
        process.touched = asyncio.get_running_loop().time()
        try:
            await self._step()
        except Interrupted:
            pass  # the next step obeys
        except EngineError as error:
            await self._fail(str(error))
        except JournalError:
            raise
        except SyscallError as error:  # of its pipes
            await self._exit(EXIT_FAILED, str(error))
        except Exception as error:
            log.exception("process %d failed", process.pid)
            await self._exit(EXIT_FAILED, f"EIO: {type(error).__name__}: {error}")

    async def _step(self) -> None:
        process = self._process
        if process.pending is not None:
            await self._obey()
            return
        if process.stopped:
            self._become(State.STOPPED)
            self._kernel.scheduler.idle(process)
            process.continued.clear()  # an INT may have set it, and left the process stopped
            await process.continued.wait()
            return
        if await self._limited():
            return
        has_mail = len(process.mailbox) > 0
        shape = agent.Shape.FITS if process.ending else self._shape()
        match agent.next_action(process.space, process.interactive, has_mail, shape):
            case agent.Receive():
                await self._receive()
            case agent.Generate() if self._outlet.must_wait:
                await self._wait_for_room()
            case agent.Generate():
                await self._generate()
            case agent.Trap() if process.ending:  # the last turn is for words
                assert process.space.last is not None
                await self._exit(process.ending, process.space.last.text)
            case agent.Trap(calls):
                await self._trap(together(calls, self._kernel, self._process))
            case agent.AskOnceMore():
                await self._append(self._new_page("user", form.ONCE_MORE))
            case agent.Exit(status, output):
                await self._exit(process.ending or status, output)

    async def _receive(self) -> None:
        process = self._process
        if process.ending:
            last = process.space.last
            said = last.text if last is not None and last.role == "assistant" else ""
            await self._exit(process.ending, said)
            return
        self._kernel.scheduler.idle(process)
        while not self._intake.ready:
            self._become(State.BLOCKED, self._intake.waits)
            await self._interruptible(self._intake.arrival())
        self._turn = TurnInProgress()
        # The message stays in the mailbox until the engine can count its tokens.
        self._become(State.BLOCKED, Waiting("the engine"))
        # `EngineUnusable`: the step after this one says so.
        with contextlib.suppress(EngineUnusable):
            try:
                await self._interruptible(self._kernel.engine.ready())
            except Interrupted:
                if process.pending is not Signal.INT:
                    raise
                # The message is the turn that is interrupted: it is read, and the turn ended.
        reading = await self._intake.take()
        if reading is not None:
            page = self._new_page("user", reading.text)
            reminder = await self._reminder(reading.text)
            await self._append(page, reading.statements, reading.take_place, behind=reminder)

    async def _reminder(self, message: str) -> Page | None:
        """A page for what comes to mind with a message."""
        found = await self._interruptible(self._kernel.retrieval.remind(self._process, message))
        if not found:
            return None
        now = self._kernel.clock()
        words = "\n".join(page.told(now) for page in reversed(found))
        return self._new_page("user", f"(from earlier:\n{words})", recalled=True)

    async def _trap(self, calls: Sequence[Call]) -> None:
        """Make calls side by side; their results become pages in the order of the calls."""
        process, kernel = self._process, self._kernel
        self._become(State.BLOCKED, Waiting(_words(calls)))
        for call in calls:
            kernel.bus.publish(
                messages.Call(process.pid, call.call_id, call.name, arguments_of(call.arguments))
            )
        kernel.scheduler.pause(process, calls[0].name)
        self.cannot_repeat = any(kernel.effect_of(call.name) == "once" for call in calls)
        process.stop_breaks = False
        tasks = {
            call.call_id: task
            for several in batches(calls, kernel)
            for task in [asyncio.create_task(self._made(several))]
            for call in several
        }
        try:
            for call in calls:
                if process.pending is not None:  # it came while a result was committed
                    raise Interrupted
                outcome, seconds = (await self._interruptible(tasks[call.call_id]))[call.call_id]
                if call is calls[-1]:
                    process.waiting = Waiting(_words(calls))  # for nobody any more
                process.accounting.syscalls += 1
                await self._answer(call, outcome)
                kernel.bus.publish(
                    messages.Result(
                        process.pid, call.call_id, call.name, outcome.ok, outcome.text, seconds
                    )
                )
        finally:
            self.cannot_repeat = False
            process.stop_breaks = True
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _made(self, calls: Sequence[Call]) -> dict[str, tuple[Outcome, float]]:
        """Make a call, or a batch; by call id, what came of it and the seconds that it took."""
        started = time.monotonic()
        if len(calls) > 1:
            outcomes = await trap_batch(self._kernel, self._process, calls)
        else:
            outcomes = [await trap(self._kernel, self._process, calls[0])]
        seconds = time.monotonic() - started
        return {
            call.call_id: (outcome, seconds) for call, outcome in zip(calls, outcomes, strict=True)
        }

    async def _answer(self, call: Call, outcome: Outcome) -> None:
        """The result, and with it what the call does to the kernel's state. It is kept until the
        journal takes it: the call must not be made again."""
        process = self._process
        effects = outcome.effects
        page = self._new_page("tool", outcome.text, call_id=call.call_id, recalled=effects.recalled)
        statements = [records.delete_intent(process.pid, call.call_id), *effects.statements]
        while True:
            try:
                await self._append(page, statements, effects.take_place)
                return
            except JournalError as error:
                await self._wait_for_the_journal(error)

    async def _wait_for_the_journal(self, error: JournalError) -> None:
        log.error("process %d waits for the journal: %s", self._process.pid, error)
        self._become(State.BLOCKED, Waiting("the journal"))
        await asyncio.sleep(RETRY_JOURNAL_S)


def _words(calls: Sequence[Call]) -> str:
    names = ", ".join(dict.fromkeys(call.name for call in calls))
    return names if len(calls) == 1 else f"{len(calls)} calls of {names}"
