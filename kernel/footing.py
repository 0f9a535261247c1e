"""The footing: what every action of a process stands on. Pages to the journal, events to watchers,
and operations that a signal may break off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..memory.draft import EMPTY
from ..memory.page import Call, Page
from ..memory.quoting import cut_to
from ..memory.swap import Statement, delete_draft, write_draft, write_page
from . import messages, records, turns
from .bus import Written
from .intake import Intake
from .kernel import Kernel
from .outlet import Outlet
from .process import NOTHING, Process, State, Waiting

T = TypeVar("T")

CUT_OFF = "EINTR: interrupted"
"""What an agent reads as the result of a call that a signal ended."""


class Interrupted(Exception):
    """A signal ended the operation."""


@dataclass(slots=True)
class TurnInProgress:
    """From a message to the answer; for those who watch."""

    started: float = field(default_factory=time.monotonic)
    tokens_out: int = 0


class Footing:
    """Of one process. The stepper is written in layers, a file each: this one, then `generation`
    and `obedience`, which lead to an answer and to an end, and `stepper`, which chooses."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self._kernel = kernel
        self._process = process
        self._intake = Intake(kernel, process)
        self._outlet = Outlet(kernel, process)
        self._turn = TurnInProgress()
        self._metered = 0.0
        self.cannot_repeat = False
        """True while a syscall runs that must not be cut off without need."""

    async def _exit(self, status: int, output: str) -> None:
        await self._kernel.end(self._process, status, output)

    async def _interruptible(self, work: Coroutine[object, object, T] | asyncio.Future[T]) -> T:
        """Do it, unless a signal comes first. Raises Interrupted."""
        process = self._process
        operation: asyncio.Future[T] = asyncio.ensure_future(work)
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

    def _new_page(
        self,
        role: str,
        text: str,
        *,
        call_id: str = "",
        interrupted: bool = False,
        recalled: bool = False,
    ) -> Page:
        return self._process.space.new_page(
            role,  # type: ignore[arg-type]
            text,
            self._kernel.engine.count_tokens(text),
            call_id=call_id,
            interrupted=interrupted,
            recalled=recalled,
        )

    async def _append(
        self,
        page: Page,
        statements: Sequence[Statement] = (),
        after: Callable[[], None] | None = None,
        behind: Page | None = None,
    ) -> None:
        """To the journal, and with it to the window; `behind` another page, if there is one, that
        comes with it. An assistant page ends the draft."""
        process = self._process
        limit = self._limit(page)
        first: list[Statement] = []
        if behind is not None:
            page = replace(page, vpn=behind.vpn + 1)
            first = write_page(process.pid, process.image, behind, None)
        ends_draft = page.role == "assistant"
        said, say = await self._outlet.page(page) if ends_draft else ([], None)

        def take_place() -> None:
            if ends_draft:
                process.draft = EMPTY
            if say is not None:
                say()
            if behind is not None:
                process.space.append(behind)
            process.space.append(page, limit_tokens=limit)
            self._kernel.bus.tell(Written(process.pid))
            if after is not None:
                after()

        await self._kernel.journal.commit(
            [
                *first,
                *write_page(process.pid, process.image, page, limit),
                records.update_progress(process),
                *([delete_draft(process.pid)] if ends_draft else ()),
                *([turns.begin(process, page)] if page.role == "user" else ()),
                *said,
                *statements,
            ],
            take_place,
        )

    def _limit(self, page: Page) -> int | None:
        """How much of a page is read into the window, if not all of it. Of a long result, who can
        page in the rest sees a preview."""
        kernel = self._kernel
        if kernel.pager is None or page.role == "assistant":
            return None
        mapped = page.role == "tool" and not page.recalled
        preview = mapped and kernel.offers(self._process, "page_in")
        return cut_to(
            page.num_tokens,
            kernel.pager.page_tokens,
            kernel.config.preview_tokens if preview else None,
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

    def _tell_cut_off(self, calls: Iterable[Call]) -> None:
        """To who looks on: these will have no result."""
        for call in calls:
            self._kernel.bus.tell(
                messages.Result(self._process.pid, call.call_id, call.name, False, CUT_OFF, 0.0)
            )

    def _publish_turn(self, status: messages.TurnStatus, text: str) -> None:
        turn = self._turn
        self._kernel.bus.publish(
            messages.Turn(
                self._process.pid, status, text, turn.tokens_out, time.monotonic() - turn.started
            )
        )
