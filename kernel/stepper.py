"""The stepper: runs one process, an action at a time.

Each action ends in one journal transaction, and memory changes with it: what the journal holds and
what the process knows never differ. A signal breaks off the operation that is under way, at a token
boundary when that is a generation; what was generated until then is the draft, from which it goes
on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..memory.draft import EMPTY, Draft
from ..memory.page import Call, Page
from ..memory.swap import Statement, delete_draft, page_out, write_draft, write_page
from ..syscalls.errno import SyscallError
from . import agent, deadlock, messages, records
from .engine.driver import (
    ChatRequest,
    Completion,
    Delta,
    EngineError,
    EngineRefused,
    EngineUnusable,
    Message,
    Prefill,
    Prompt,
    ToolCall,
)
from .intake import Intake
from .journal import JournalError
from .kernel import Kernel
from .outlet import SAVE_EVERY_S, Outlet
from .pipe import End, Pipe
from .process import EXIT_FAILED, NOTHING, Process, State, Waiting
from .signals import Signal, stronger
from .trap import Outcome, trap

log = logging.getLogger(__name__)

RETRY_JOURNAL_S = 1.0
DRAFT_EVERY_S = 0.25
"""How much of a generation a crash may cost."""

T = TypeVar("T")


class Interrupted(Exception):
    """A signal ended the operation."""


@dataclass(slots=True)
class TurnInProgress:
    """From a message to the answer; for those who watch."""

    started: float = field(default_factory=time.monotonic)
    tokens_out: int = 0


class Stepper:
    """Steps one process until it exits. Lives as long as the process is in memory."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self._kernel = kernel
        self._process = process
        self._intake = Intake(kernel, process)
        self._outlet = Outlet(kernel, process)
        self._turn = TurnInProgress()
        self._metered = 0.0
        self.cannot_repeat = False
        """True while a syscall runs that must not be cut off without need."""

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
            process.continued.clear()  # an INT may have set it, and left the process stopped
            await process.continued.wait()
            return
        if await self._limited():
            return
        match agent.next_action(process.space, process.interactive, len(process.mailbox) > 0):
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
                await self._trap(calls[0])
            case agent.Exit(status, output):
                await self._exit(process.ending or status, output)

    # ---- actions --------------------------------------------------------------------------

    async def _receive(self) -> None:
        process = self._process
        if process.ending:
            last = process.space.last
            said = last.text if last is not None and last.role == "assistant" else ""
            await self._exit(process.ending, said)
            return
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
            await self._append(page, reading.statements, reading.take_place)

    async def _generate(self) -> None:
        process = self._process
        if agent.num_steps(process.space) >= self._kernel.config.max_steps:
            await self._fail(f"no answer after {self._kernel.config.max_steps} steps")
            return
        completion = await self._interruptible(self._converse())
        page = process.space.new_page(
            "assistant",
            completion.text,
            len(process.draft.token_ids),
            calls=tuple(
                # Ids of our own: unique in the address space, the same after a restart, and nine
                # digits long, which every chat template takes.
                Call(f"{len(process.space):06d}{index:03d}", call.name, call.arguments)
                for index, call in enumerate(completion.calls)
            ),
        )
        await self._append(page)
        if self._outlet.must_wait and process.stdout is not None and process.stdout.broken:
            await self._exit(Signal.PIPE.exit_status, page.text)
        elif not page.calls:
            self._publish_turn("done", page.text)

    async def _wait_for_room(self) -> None:
        """Until the reader of its stdout has taken some; without a reader, it ends."""
        process, pipe = self._process, self._process.stdout
        assert pipe is not None
        if pipe.broken:
            await self._exit(Signal.PIPE.exit_status, process.draft.text)
            return
        self._become(State.BLOCKED, Waiting(f"room in pipe {pipe.id}"))
        await self._interruptible(self._room(pipe))

    async def _room(self, pipe: Pipe) -> None:
        while not (pipe.drained or pipe.broken):
            readers = pipe.pids(End.READ)  # which may change meanwhile
            deadlock.check(self._kernel.table, self._process, readers)
            words = self._process.waits_for
            self._process.waiting = Waiting(words, readers, lambda: pipe.drained or pipe.broken)
            await pipe.change()

    async def _converse(self) -> Completion:
        """One generation, from admission to the last token; with the draft, from there on."""
        process, kernel = self._process, self._kernel
        await kernel.engine.ready()
        async with kernel.scheduler.admitted(process):
            self._publish_state()
            process.touched = self._metered = asyncio.get_running_loop().time()
            try:
                prompt = await self._fitting_prompt()
                stream = kernel.engine.generate(prompt, process.draft)
                async with contextlib.aclosing(stream):  # type: ignore[type-var]
                    return await self._follow(stream)
            finally:
                self._meter()

    def _meter(self) -> None:
        """Charge the engine time since it was charged last."""
        now = asyncio.get_running_loop().time()
        self._process.accounting.engine_s += now - self._metered
        self._metered = now

    async def _follow(self, stream: AsyncIterator[Prefill | Delta | Completion]) -> Completion:
        """Take what the engine brings: charge it, show it, keep it as the draft."""
        process, kernel = self._process, self._kernel
        accounting, loop = process.accounting, asyncio.get_running_loop()
        token_ids, texts = list(process.draft.token_ids), [process.draft.text]
        saved = loop.time()
        try:
            async for item in stream:
                process.touched = loop.time()  # each step of the engine is one of the process
                match item:
                    case Prefill():
                        accounting.tokens_in += item.tokens_in
                        accounting.tokens_cached += item.tokens_cached
                        del token_ids[item.draft_tokens :]
                    case Delta():
                        accounting.tokens_out += item.num_tokens
                        self._turn.tokens_out += item.num_tokens
                        token_ids += item.token_ids
                        texts.append(item.text)
                        if item.text:
                            kernel.bus.publish(messages.Text(process.pid, item.text))
                    case Completion():
                        return item
                if process.bounded:
                    self._meter()
                    if self._limits_reached():
                        raise Interrupted  # the next step says so
                if loop.time() - saved > (SAVE_EVERY_S if self._outlet.is_open else DRAFT_EVERY_S):
                    saved = loop.time()
                    process.draft = Draft(tuple(token_ids), "".join(texts))
                    await self._save_draft(wait=False)
                    if self._outlet.must_wait:
                        raise Interrupted  # the next step waits
        finally:
            process.draft = Draft(tuple(token_ids), "".join(texts))
        raise EngineError("the engine ended a stream without a completion")

    async def _save_draft(self, *, wait: bool) -> None:
        """What goes out through a pipe must be kept. Otherwise a loss costs no more than
        generating it again, and nobody need wait for it."""
        if self._outlet.is_open:
            await self._outlet.save(self._draft_saved)
        elif wait:
            await self._kernel.journal.commit(self._draft_saved())
        else:
            self._kernel.journal.post(self._draft_saved())

    def _draft_saved(self) -> list[Statement]:
        process = self._process
        return [write_draft(process.pid, process.draft), records.update_progress(process)]

    async def _fitting_prompt(self) -> Prompt:
        """The rendered conversation, after as many pages went out as must. Raises EngineRefused."""
        process, kernel = self._process, self._kernel
        assert kernel.pager is not None, "made when the engine became ready"
        draft_tokens = len(process.draft.token_ids)
        while True:
            refusal: EngineRefused | None = None
            try:
                prompt = await kernel.engine.render(self._request())
                num_tokens = prompt.num_tokens
            except EngineRefused as error:
                refusal, num_tokens = error, process.space.num_resident_tokens
            # A draft counts when it is a page: to flush under it would be to generate anew.
            if refusal is None and (draft_tokens or not kernel.pager.over(num_tokens)):
                return prompt
            evicted = kernel.pager.flush(process.space, num_tokens)
            if not evicted:
                if refusal is not None:
                    raise refusal
                return prompt
            pages = [entry.page for entry in evicted]
            log.info("process %d: %d pages out", process.pid, len(pages))
            await kernel.journal.commit([page_out(process.pid, process.image, pages)])

    def _request(self) -> ChatRequest:
        process, kernel = self._process, self._kernel
        space = process.space
        stub = space.stub()
        chat = [Message("system", f"{space.text}\n{stub}" if stub else space.text)]
        for entry in space.resident():
            page = entry.page
            calls = tuple(ToolCall(call.call_id, call.name, call.arguments) for call in page.calls)
            chat.append(Message(page.role, entry.shown(), calls, page.call_id))
        sampling = kernel.config.sampling
        if process.ending:
            longest = kernel.config.last_turn_tokens
            sampling = replace(sampling, max_tokens=min(sampling.max_tokens or longest, longest))
        return ChatRequest(tuple(chat), kernel.tools(process), sampling)

    async def _trap(self, call: Call) -> None:
        process, kernel = self._process, self._kernel
        self._become(State.BLOCKED, Waiting(call.name))
        kernel.bus.publish(
            messages.Call(process.pid, call.call_id, call.name, _arguments(call.arguments))
        )
        started = time.monotonic()
        self.cannot_repeat = kernel.effect_of(call.name) == "once"
        process.stop_breaks = False
        try:
            outcome: Outcome = await self._interruptible(trap(kernel, process, call))
            process.waiting = Waiting(call.name)  # for nobody any more
            process.accounting.syscalls += 1
            await self._answer(call, outcome)
        finally:
            self.cannot_repeat = False
            process.stop_breaks = True
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

    async def _answer(self, call: Call, outcome: Outcome) -> None:
        """The result, and with it what the call does to the kernel's state. It is kept until the
        journal takes it: the call must not be made again."""
        process = self._process
        page = self._new_page("tool", outcome.text, call_id=call.call_id)
        statements = [records.delete_intent(process.pid, call.call_id), *outcome.effects.statements]
        while True:
            try:
                await self._append(page, statements, outcome.effects.take_place)
                return
            except JournalError as error:
                await self._wait_for_the_journal(error)

    async def _wait_for_the_journal(self, error: JournalError) -> None:
        log.error("process %d waits for the journal: %s", self._process.pid, error)
        self._become(State.BLOCKED, Waiting("the journal"))
        await asyncio.sleep(RETRY_JOURNAL_S)

    async def _exit(self, status: int, output: str) -> None:
        await self._kernel.end(self._process, status, output)

    # ---- signals, limits, failures --------------------------------------------------------

    async def _obey(self) -> None:
        """INT ends the turn; what was generated stays. TERM, XCPU and KILL end the process, the
        former two with a last turn if it is in the middle of one."""
        process = self._process
        signal = process.take_signal()
        try:
            match signal:
                case Signal.INT:
                    await self._interrupt_turn()
                case Signal.KILL | Signal.PIPE:
                    await self._exit(signal.exit_status, process.draft.text)
                case Signal.TERM:
                    await self._end_gently(Signal.TERM, "you are told to end")
                case Signal.XCPU:
                    await self._end_gently(Signal.XCPU, "you are told to end")
        except BaseException:
            if signal is not None and process.alive and stronger(signal, process.pending):
                process.pending = signal
            raise

    async def _interrupt_turn(self) -> None:
        process = self._process
        partial = process.draft.text
        if not process.interactive:
            await self._exit(Signal.INT.exit_status, partial)
        elif self._in_a_turn():
            obeyed = records.obeyed(process.pid, Signal.INT)
            await self._end_turn(partial or "(interrupted)", "interrupted", [obeyed])
        else:
            self._kernel.journal.post([records.obeyed(process.pid, Signal.INT)])

    def _in_a_turn(self) -> bool:
        process = self._process
        action = agent.next_action(process.space, process.interactive, False)
        return isinstance(action, agent.Generate | agent.Trap)

    async def _end_gently(self, signal: Signal, reason: str) -> None:
        """A process in the middle of a turn is told, and has a last turn to say what is done and
        what is not; its calls are cut off. Who is told twice, or has no engine, ends at once."""
        process, kernel = self._process, self._kernel
        partial = process.draft.text
        engine_ready = kernel.engine.status(0).state == "ready"
        if process.ending or not engine_ready or not self._in_a_turn():
            await self._exit(process.ending or signal.exit_status, partial)
            return
        statements, pages = [records.obeyed(process.pid, signal)], []
        space = process.space.fork()  # to number the pages; the process's own comes after
        for call in space.unanswered_calls():
            pages.append(space.new_page("tool", "EINTR: interrupted", 0, call_id=call.call_id))
            space.append(pages[-1])
            statements.append(records.delete_intent(process.pid, call.call_id))
        say: Callable[[], None] | None = None
        if partial:
            pages.append(
                space.new_page("assistant", partial, len(process.draft.token_ids), interrupted=True)
            )
            space.append(pages[-1])
            said, say = await self._outlet.page(pages[-1])
            statements += said
        words = f"({reason}: say in a few words what is done and what is not)"
        pages.append(space.new_page("user", words, kernel.engine.count_tokens(words)))
        for page in pages:
            statements += write_page(process.pid, process.image, page, None)
        status, now = signal.exit_status, kernel.clock()
        await kernel.journal.commit(
            [
                *statements,
                delete_draft(process.pid),
                records.update_progress(process),
                records.update(process.pid, ending=status, ending_since=now),
            ],
            lambda: self._begin_last_turn(pages, status, now, say),
        )

    def _begin_last_turn(
        self, pages: Sequence[Page], status: int, now: float, say: Callable[[], None] | None
    ) -> None:
        process = self._process
        if say is not None:
            say()
        process.draft, process.ending, process.ending_since = EMPTY, status, now
        self._kernel.watch_the_clock(process)
        for page in pages:
            process.space.append(page)

    def _limits_reached(self) -> list[tuple[str, bool]]:
        kernel = self._kernel
        return self._process.limits_reached(kernel.clock(), kernel.config.last_turn_s)

    async def _limited(self) -> bool:
        """End a process that has used up what it may; was there one to end?"""
        process = self._process
        reached = self._limits_reached() if process.bounded else []
        if not reached:
            return False
        resource, hard = max(reached, key=lambda one: one[1])
        words = f"the limit of {resource} is reached"
        log.info("process %d: %s", process.pid, words)
        if hard:
            partial = process.draft.text
            output = f"{partial}\n({words})" if partial else f"({words})"
            await self._exit(process.ending or Signal.XCPU.exit_status, output)
        else:
            await self._end_gently(Signal.XCPU, words)
        return True

    async def _fail(self, words: str) -> None:
        """The turn cannot be finished, and the process is told so."""
        await self._end_turn(f"({words})", "failed")

    async def _end_turn(
        self, text: str, status: messages.TurnStatus, statements: Sequence[Statement] = ()
    ) -> None:
        """Answer what is unanswered, then close the turn with what there is."""
        process = self._process
        for call in process.space.unanswered_calls():
            page = self._new_page("tool", "EINTR: interrupted", call_id=call.call_id)
            await self._append(page, [records.delete_intent(process.pid, call.call_id)])
        page = self._new_page("assistant", text, interrupted=True)
        await self._append(page, statements)
        self._publish_turn(status, text)

    async def _interruptible(self, work: Coroutine[object, object, T]) -> T:
        """Do it, unless a signal comes first. Raises Interrupted."""
        process = self._process
        operation = asyncio.ensure_future(work)
        process.operation = operation
        try:
            return await operation
        except asyncio.CancelledError:
            this_task = asyncio.current_task()
            if this_task is not None and this_task.cancelling():
                raise  # not a signal: the kernel parks, or another program takes over
            if process.stopped and process.draft:
                await self._save_draft(wait=True)
            raise Interrupted from None
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

    async def _append(
        self,
        page: Page,
        statements: Sequence[Statement] = (),
        after: Callable[[], None] | None = None,
    ) -> None:
        """To the journal, and with it to the window. An assistant page ends the draft."""
        process, pager = self._process, self._kernel.pager
        limit = pager.page_tokens if pager and page.role != "assistant" else None
        if limit is not None and page.num_tokens <= limit:
            limit = None
        ends_draft = page.role == "assistant"
        said, say = await self._outlet.page(page) if ends_draft else ([], None)

        def take_place() -> None:
            if ends_draft:
                process.draft = EMPTY
            if say is not None:
                say()
            process.space.append(page, limit_tokens=limit)
            if after is not None:
                after()

        await self._kernel.journal.commit(
            [
                *write_page(process.pid, process.image, page, limit),
                records.update_progress(process),
                *([delete_draft(process.pid)] if ends_draft else ()),
                *said,
                *statements,
            ],
            take_place,
        )

    def _become(self, state: State, waiting: Waiting = NOTHING) -> None:
        process = self._process
        if process.alive and (process.state, process.waiting) != (state, waiting):
            process.state, process.waiting = state, waiting
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
