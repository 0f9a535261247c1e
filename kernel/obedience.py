"""Obedience: what a process does about signals, limits and failures.

INT ends the turn. TERM and a soft limit give the process a last, bounded turn, if it is in the
middle of one; KILL and a hard limit end it at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ..memory.draft import EMPTY
from ..memory.page import Call, Page
from ..memory.swap import Statement, delete_draft, write_page
from . import agent, messages, records, turns
from .bus import Written
from .footing import CUT_OFF, Footing
from .signals import Signal, stronger

log = logging.getLogger(__name__)


class Obedience(Footing):
    """Of one process."""

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
        cut_off = space.unanswered_calls()
        for call in cut_off:
            pages.append(space.new_page("tool", CUT_OFF, 0, call_id=call.call_id))
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
        statements.append(turns.begin(process, pages[-1]))
        status, now = signal.exit_status, kernel.clock()
        await kernel.journal.commit(
            [
                *statements,
                delete_draft(process.pid),
                records.update_progress(process),
                records.update(process.pid, ending=status, ending_since=now),
            ],
            lambda: self._begin_last_turn(pages, cut_off, status, now, say),
        )

    def _begin_last_turn(
        self,
        pages: Sequence[Page],
        cut_off: Sequence[Call],
        status: int,
        now: float,
        say: Callable[[], None] | None,
    ) -> None:
        process = self._process
        if say is not None:
            say()
        process.draft, process.ending, process.ending_since = EMPTY, status, now
        self._kernel.watch_the_clock(process)
        self._tell_cut_off(cut_off)
        for page in pages:
            process.space.append(page)
            self._kernel.bus.tell(Written(process.pid))

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
            page = self._new_page("tool", CUT_OFF, call_id=call.call_id)
            await self._append(page, [records.delete_intent(process.pid, call.call_id)])
            self._tell_cut_off([call])
        page = self._new_page("assistant", text, interrupted=True)
        await self._append(page, statements)
        self._publish_turn(status, text)
