"""The `guest` program: a process without a model, whose client makes the calls.

By it a client that has a model of its own, or a person, uses the syscalls as an agent does: they
pass the one door, they are in the journal, and what is started is below the guest. It has no life
of its own: it ends with its client's connection, and a kernel that finds one after a crash ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..memory.page import Call
from ..memory.swap import write_page
from ..syscalls.errno import ECANCELED, EINVAL, ENOSYS, ESRCH
from . import messages, records
from .bus import Written
from .footing import CUT_OFF
from .journal import JournalError
from .kernel import Kernel
from .messages import CallResult
from .process import Process, State, Waiting
from .signals import Signal
from .trap import Outcome, trap

log = logging.getLogger(__name__)

RETRY_JOURNAL_S = 1.0
CHARACTERS_A_TOKEN = 4
OF_A_CONVERSATION = frozenset({"exec", "fork", "page_in", "pin", "unpin", "forget"})
"""Syscalls about pages that a model reads; a guest has none."""


class Guest:
    """Runs one guest until it exits."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self._kernel = kernel
        self._process = process
        self._calls: dict[str, asyncio.Task[CallResult]] = {}
        self._once: set[str] = set()
        self._last_call = len(process.space)
        self._committing = asyncio.Lock()
        self._closing: tuple[int, str] | None = None
        self._kept: frozenset[int] = frozenset()
        """Who lives on when it ends as its client says, with all that is below them."""
        self.cannot_repeat = False
        """True while something is under way that must not be cut off without need."""

    async def run(self) -> None:
        """Until the end. Returns early when the kernel parks."""
        process = self._process
        if process.pid not in self._kernel.guests:
            process.pending = process.pending or Signal.TERM  # the kernel has outlived its client
        while process.alive and not self._kernel.parking:
            try:
                await self._step()
            except JournalError as error:
                log.error("process %d waits for the journal: %s", process.pid, error)
                await asyncio.sleep(RETRY_JOURNAL_S)

    async def _step(self) -> None:
        process = self._process
        if self._closing is not None:
            await self._end(Signal.TERM, *self._closing)
        elif (signal := process.pending) is not None:
            gone = process.pid not in self._kernel.guests
            words = "its client has left it" if gone else "it was told to end"
            await self._end(signal, signal.exit_status, words)
        elif process.limits_reached(self._kernel.clock(), self._kernel.config.last_turn_s):
            await self._end(Signal.XCPU, Signal.XCPU.exit_status, "a limit is reached")
        elif process.stopped:
            self._become(State.STOPPED, "")
            process.continued.clear()
            await process.continued.wait()
        else:
            self._become(State.BLOCKED, "its client")
            await self._signal()

    async def _signal(self) -> None:
        """Until there is something to obey."""
        process = self._process
        process.operation = operation = asyncio.ensure_future(asyncio.Event().wait())
        try:
            await operation
        except asyncio.CancelledError:
            this_task = asyncio.current_task()
            if this_task is not None and this_task.cancelling():
                raise
        finally:
            operation.cancel()
            process.operation = None

    async def close(self, status: int, output: str, kept: frozenset[int] = frozenset()) -> None:
        """Its client says how it ends, and who lives on. Returns when it has ended."""
        self._closing, self._kept = (status, output), kept
        self._process.wake_up()
        await self._process.exited.wait()

    async def _end(self, signal: Signal, status: int, output: str) -> None:
        """It ends, and all that is below it is told to: nobody is left to ask for that."""
        process, kernel = self._process, self._kernel
        for call in self._calls.values():
            call.cancel()
        below = await self._all_below()
        await kernel.end(process, status, output)
        kernel.guests.discard(process.pid)
        for one in below:
            with contextlib.suppress(JournalError):
                await kernel.signal(one, Signal.KILL if signal is Signal.KILL else Signal.TERM)
        kernel.errand(kernel.reap(process))
        kernel.pastime(_reap(kernel, below))

    async def _all_below(self) -> list[Process]:
        """Who ends with it. Whoever is being born meanwhile is waited for, and nobody else is
        admitted; one that ends meanwhile leaves its children to somebody else than us, who are
        leaving."""
        process, kernel = self._process, self._kernel
        below = {one.pid: one for one in kernel.table.descendants(process.pid)}
        process.leaving = True
        await kernel.born_below(process.pid)
        below |= {one.pid: one for one in kernel.table.descendants(process.pid)}
        return [one for one in below.values() if not self._keeps(one)]

    def _keeps(self, one: Process) -> bool:
        lineage = (one.pid, *self._kernel.table.ancestors(one.pid))
        return not self._kept.isdisjoint(lineage)

    def _become(self, state: State, waits_for: str) -> None:
        process = self._process
        if process.alive and (process.state, process.waits_for) != (state, waits_for):
            process.state, process.waiting = state, Waiting(waits_for)
            self._kernel.bus.publish(messages.State(process.pid, state.value, waits_for))

    # ---- calls ----------------------------------------------------------------------------

    async def call(self, name: str, arguments: dict[str, Any], key: str) -> CallResult:
        """Make a syscall. Raises EINVAL for a key in use, ESRCH once it has ended."""
        process = self._process
        if not process.alive or process.leaving:
            raise ESRCH(f"process {process.pid} has ended")
        self._last_call += 1
        key = key or f"call {self._last_call}"
        if key in self._calls:
            raise EINVAL(f"a call named {key!r} is under way")
        # Unlike any before, and its client knows it again in what the call tells.
        call_id = f"{self._last_call:09d}.{key}"
        call = Call(call_id, name, json.dumps(arguments, ensure_ascii=False))
        task = self._calls[key] = asyncio.create_task(self._make(call))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            this_task = asyncio.current_task()
            if this_task is not None and this_task.cancelling():
                task.cancel()  # the client is gone, and with it who would read the result
                raise
            raise ECANCELED("the call was called off") from None
        finally:
            self._calls.pop(key, None)

    def cancel(self, key: str) -> None:
        if call := self._calls.get(key):
            call.cancel()

    async def _make(self, call: Call) -> CallResult:
        kernel, begun = self._kernel, time.monotonic()
        arguments = json.loads(call.arguments)
        kernel.bus.tell(messages.Call(self._process.pid, call.call_id, call.name, arguments))
        outcome = Outcome(CUT_OFF, False)
        if kernel.effect_of(call.name) == "once":
            self._once.add(call.call_id)
            self.cannot_repeat = True
        try:
            if call.name in OF_A_CONVERSATION:
                no = ENOSYS(f"{call.name} is about a conversation, and a guest has none")
                outcome = Outcome(str(no), False)
            else:
                outcome = await trap(kernel, self._process, call)
            self._process.accounting.syscalls += 1
            await self._keep(call, outcome)
        finally:
            self._once.discard(call.call_id)
            self.cannot_repeat = bool(self._once)
            took_s = time.monotonic() - begun
            kernel.bus.tell(
                messages.Result(
                    self._process.pid, call.call_id, call.name, outcome.ok, outcome.text, took_s
                )
            )
        if self._process.bounded:
            self._process.wake_up()  # a limit may be reached
        return CallResult(outcome.ok, outcome.text)

    async def _keep(self, call: Call, outcome: Outcome) -> None:
        """The call and its result, as two pages, and what it does to the kernel's state."""
        process, kernel, effects = self._process, self._kernel, outcome.effects
        async with self._committing:  # two at once would be the same pages
            asked = process.space.new_page("assistant", "", _tokens(call.arguments), calls=(call,))
            text = outcome.text
            told = process.space.new_page("tool", text, _tokens(text), call_id=call.call_id)
            told = replace(told, vpn=asked.vpn + 1)

            def take_place() -> None:
                process.space.append(asked)
                process.space.append(told)
                kernel.bus.tell(Written(process.pid))
                effects.take_place()

            statements = [
                *write_page(process.pid, process.image, asked, None),
                *write_page(process.pid, process.image, told, None),
                records.update_progress(process),
                records.delete_intent(process.pid, call.call_id),
                *effects.statements,
            ]
            while True:
                try:
                    await kernel.journal.commit(statements, take_place)
                    return
                except JournalError as error:  # the call must not be made again
                    log.error("process %d waits for the journal: %s", process.pid, error)
                    await asyncio.sleep(RETRY_JOURNAL_S)


async def _reap(kernel: Kernel, below: Sequence[Process]) -> None:
    """Nobody is left to ask for them."""
    for one in below:
        await one.exited.wait()
        await kernel.reap(one)


def _tokens(text: str) -> int:
    """About: no engine reads these pages."""
    return len(text) // CHARACTERS_A_TOKEN + 1
