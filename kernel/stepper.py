"""The stepper: runs one process, an action at a time.

Each action ends in one journal transaction, and only then does memory change: what the journal
holds and what the process knows never differ. A signal breaks off the operation that is under way,
at a token boundary when that is a generation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ..memory.page import Call, Page
from ..memory.swap import Statement, page_out, write_page
from . import agent, messages, records
from .engine.driver import (
    ChatRequest,
    Completion,
    EngineError,
    EngineRefused,
    EngineUnusable,
    Message,
    Prompt,
    ToolCall,
)
from .journal import JournalError
from .kernel import Kernel
from .process import EXIT_FAILED, Process, Signal, State
from .trap import trap

log = logging.getLogger(__name__)

RETRY_JOURNAL_S = 1.0

T = TypeVar("T")


class Interrupted(Exception):
    """A signal ended the operation."""

    def __init__(self, signal: Signal) -> None:
        super().__init__(signal.name)
        self.signal = signal


@dataclass(slots=True)
class TurnInProgress:
    """From a message to the answer; for those who watch."""

    started: float = field(default_factory=time.monotonic)
    tokens_out: int = 0
    partial: list[str] = field(default_factory=list)


class Stepper:
    """Steps one process until it exits. Lives as long as the process is in memory."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self._kernel = kernel
        self._process = process
        self._turn = TurnInProgress()
        self.cannot_repeat = False
        """True while a syscall runs that must not be cut off without need."""

    async def run(self) -> None:
        """Step until the end. Returns early, at an action's border, when the kernel parks."""
        while self._process.alive and not self._kernel.parking:
            try:
                await self._advance()
            except JournalError as error:
                # Nothing was changed; the same step is tried again when the disk is back.
                log.error("process %d waits for the journal: %s", self._process.pid, error)
                self._become(State.BLOCKED, "the journal")
                await asyncio.sleep(RETRY_JOURNAL_S)

    async def _advance(self) -> None:
        """One step, whatever comes of it. Raises JournalError, and then nothing has changed."""
        process = self._process
        try:
            await self._step()
        except Interrupted as interruption:
            try:
                await self._obey(interruption.signal)
            except JournalError:
                process.deliver(interruption.signal)
                raise
        except EngineError as error:
            await self._fail(str(error))
        except JournalError:
            raise
        except Exception as error:
            log.exception("process %d failed", process.pid)
            await self._exit(EXIT_FAILED, f"EIO: {type(error).__name__}: {error}")

    async def _step(self) -> None:
        signal = self._process.take_signal()
        if signal is not None:
            raise Interrupted(signal)
        match agent.next_action(self._process.space, self._process.interactive):
            case agent.Receive():
                await self._receive()
            case agent.Generate():
                await self._generate()
            case agent.Trap(calls):
                await self._trap(calls[0])
            case agent.Exit(status, output):
                await self._exit(status, output)

    # ---- actions --------------------------------------------------------------------------

    async def _receive(self) -> None:
        process = self._process
        while not process.mailbox:
            process.mail.clear()
            self._become(State.BLOCKED, "a message")
            await self._interruptible(process.mail.wait())
        self._turn = TurnInProgress()
        # The message stays in the mailbox until the engine can count its tokens.
        self._become(State.BLOCKED, "the engine")
        interruption: Interrupted | None = None
        try:
            await self._interruptible(self._kernel.engine.ready())
        except EngineUnusable:
            pass  # the step after this one says so
        except Interrupted as error:
            if error.signal is not Signal.INT:
                raise
            interruption = error
        message = process.mailbox[0]
        page = self._new_page("user", message.text)
        await self._append(page, [records.delete_message(message)])
        process.mailbox.popleft()
        if interruption is not None:
            raise interruption

    async def _generate(self) -> None:
        process = self._process
        if agent.num_steps(process.space) >= self._kernel.config.max_steps:
            await self._fail(f"no answer after {self._kernel.config.max_steps} steps")
            return
        self._turn.partial.clear()
        completion = await self._interruptible(self._converse())
        accounting = process.accounting
        accounting.tokens_in += completion.tokens_in
        accounting.tokens_cached += completion.tokens_cached
        accounting.tokens_out += completion.tokens_out
        page = process.space.new_page(
            "assistant",
            completion.text,
            completion.tokens_out,
            calls=tuple(
                # Ids of our own: unique in the process, the same after a restart, and nine
                # digits long, which every chat template takes.
                Call(f"{len(process.space):06d}{index:03d}", call.name, call.arguments)
                for index, call in enumerate(completion.calls)
            ),
        )
        await self._append(page)
        if not page.calls:
            self._publish_turn("done", page.text)

    async def _converse(self) -> Completion:
        """One generation, from admission to the last token."""
        process, kernel = self._process, self._kernel
        await kernel.engine.ready()
        async with kernel.scheduler.admitted(process):
            self._publish_state()
            started = time.monotonic()
            try:
                prompt = await self._fitting_prompt()
                stream = kernel.engine.generate(prompt)
                async with contextlib.aclosing(stream):  # type: ignore[type-var]
                    async for item in stream:
                        if isinstance(item, Completion):
                            self._turn.tokens_out += item.tokens_out
                            return item
                        self._turn.partial.append(item.text)
                        kernel.bus.publish(messages.Text(process.pid, item.text))
            finally:
                process.accounting.engine_s += time.monotonic() - started
        raise EngineError("the engine ended a stream without a completion")

    async def _fitting_prompt(self) -> Prompt:
        """The rendered conversation, after as many pages went out as must. Raises EngineRefused."""
        process, kernel = self._process, self._kernel
        assert kernel.pager is not None, "made when the engine became ready"
        while True:
            refusal: EngineRefused | None = None
            try:
                prompt = await kernel.engine.render(self._request())
                num_tokens = prompt.num_tokens
            except EngineRefused as error:
                refusal, num_tokens = error, process.space.num_resident_tokens
            if refusal is None and not kernel.pager.over(num_tokens):
                return prompt
            evicted = kernel.pager.flush(process.space, num_tokens)
            if not evicted:
                if refusal is not None:
                    raise refusal
                return prompt
            pages = [entry.page for entry in evicted]
            log.info("process %d: %d pages out", process.pid, len(pages))
            await kernel.journal.commit([page_out(process.pid, pages)])

    def _request(self) -> ChatRequest:
        space = self._process.space
        stub = space.stub()
        chat = [Message("system", f"{space.text}\n{stub}" if stub else space.text)]
        for entry in space.resident():
            page = entry.page
            calls = tuple(ToolCall(call.call_id, call.name, call.arguments) for call in page.calls)
            chat.append(Message(page.role, entry.shown(), calls, page.call_id))
        return ChatRequest(tuple(chat), self._kernel.tools(), self._kernel.config.sampling)

    async def _trap(self, call: Call) -> None:
        process, kernel = self._process, self._kernel
        self._become(State.BLOCKED, call.name)
        kernel.bus.publish(
            messages.Call(process.pid, call.call_id, call.name, _arguments(call.arguments))
        )
        started = time.monotonic()
        self.cannot_repeat = kernel.effect_of(call.name) == "once"
        try:
            outcome = await self._interruptible(trap(kernel, process, call))
        finally:
            self.cannot_repeat = False
        process.accounting.syscalls += 1
        page = self._new_page("tool", outcome.text, call_id=call.call_id)
        await self._append(page, [records.delete_intent(process.pid, call.call_id)])
        kernel.bus.publish(
            messages.Result(
                process.pid,
                call.call_id,
                call.name,
                outcome.ok,
                outcome.text,
                time.monotonic() - started,
            )
        )

    async def _exit(self, status: int, output: str) -> None:
        await self._kernel.end(self._process, status, output)

    # ---- signals and failures -------------------------------------------------------------

    async def _obey(self, signal: Signal) -> None:
        """INT ends the turn; what was generated stays. TERM and KILL end the process."""
        process = self._process
        partial = "".join(self._turn.partial)
        if signal is not Signal.INT:
            await self._exit(signal.value, partial)
            return
        if not process.interactive:
            await self._exit(signal.value, partial)
        elif process.space.last is not None and not isinstance(
            agent.next_action(process.space, True), agent.Receive
        ):
            await self._end_turn(partial or "(interrupted)", "interrupted")

    async def _fail(self, words: str) -> None:
        """The turn cannot be finished, and the process is told so."""
        await self._end_turn(f"({words})", "failed")

    async def _end_turn(self, text: str, status: messages.TurnStatus) -> None:
        """Answer what is unanswered, then close the turn with what there is."""
        process = self._process
        for call in process.space.unanswered_calls():
            page = self._new_page("tool", "EINTR: interrupted", call_id=call.call_id)
            await self._append(page, [records.delete_intent(process.pid, call.call_id)])
        page = self._new_page("assistant", text, interrupted=True)
        await self._append(page)
        self._publish_turn(status, text)

    async def _interruptible(self, work: Coroutine[object, object, T]) -> T:
        """Do it, unless a signal comes first. Raises Interrupted."""
        process = self._process
        operation = asyncio.ensure_future(work)
        process.operation = operation
        try:
            return await operation
        except asyncio.CancelledError:
            signal = process.take_signal() if operation.cancelled() else None
            if signal is None:
                raise  # not a signal: the kernel parks
            raise Interrupted(signal) from None
        finally:
            process.operation = None

    # ---- pages and events -----------------------------------------------------------------

    def _new_page(
        self, role: str, text: str, *, call_id: str = "", interrupted: bool = False
    ) -> Page:
        return self._process.space.new_page(
            role,  # type: ignore[arg-type]
            text,
            self._kernel.engine.count_tokens(text),
            call_id=call_id,
            interrupted=interrupted,
        )

    async def _append(self, page: Page, statements: Sequence[Statement] = ()) -> None:
        """To the journal, then to the window."""
        process, pager = self._process, self._kernel.pager
        limit = pager.page_tokens if pager and page.role != "assistant" else None
        if limit is not None and page.num_tokens <= limit:
            limit = None
        await self._kernel.journal.commit(
            [
                write_page(process.pid, page, limit),
                records.update_accounting(process.pid, process.accounting),
                *statements,
            ]
        )
        process.space.append(page, limit_tokens=limit)

    def _become(self, state: State, waits_for: str = "") -> None:
        process = self._process
        if (process.state, process.waits_for) != (state, waits_for):
            process.state, process.waits_for = state, waits_for
            self._publish_state()

    def _publish_state(self) -> None:
        process = self._process
        self._kernel.bus.publish(
            messages.State(process.pid, process.state.value, process.waits_for)
        )

    def _publish_turn(self, status: messages.TurnStatus, text: str) -> None:
        turn = self._turn
        self._kernel.bus.publish(
            messages.Turn(
                self._process.pid, status, text, turn.tokens_out, time.monotonic() - turn.started
            )
        )


def _arguments(text: str) -> dict[str, object]:
    """For showing: the arguments as an object, also when the model wrote something else."""
    from pydantic_core import from_json

    with contextlib.suppress(ValueError):
        parsed = from_json(text)
        if isinstance(parsed, dict):
            return parsed
    return {"arguments": text}
