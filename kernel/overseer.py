"""The `supervisor` program: a process without a model, which starts children and restarts them.

Like an agent it has no state beside its pages. The first is its specification; each further one is
a sentence of its diary, committed together with what it tells where the supervisor itself does it
(a start), and after it where it happens to it (an end: a child stays a zombie until its end is in
the diary). So after a crash at any moment the fold over the pages says what runs and what is next.

A supervisor that restarts children for months would fill its address space. When it has
`MAX_PAGES`, it begins a new image as `exec` does, with the specification and one page that says
what all the others come to; those of earlier images stay in swap.

Mail that comes after the specification is not read.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial

from ..memory.address_space import AddressSpace
from ..memory.page import Page, Role
from ..memory.swap import Statement, write_page
from ..syscalls.errno import EFBIG, ENOENT, SyscallError
from . import childspec, form, messages, records, supervision
from .bus import Written
from .diary import event_of, sentence, shortened
from .intake import MAX_COLLECTED
from .journal import JournalError
from .kernel import Kernel
from .messages import ChildSpec, Supervision
from .process import EXIT_FAILED, NOTHING, Process, State, Waiting
from .records import read_process
from .signals import Signal
from .supervision import Event, Exited, Hung, NotStarted, Snapshot, Started, Told
from .watchdog import SLACK_S, Watchdog

log = logging.getLogger(__name__)

MAX_PAGES = 512
RETRY_JOURNAL_S = 1.0
ENDING = (Signal.TERM, Signal.XCPU, Signal.KILL)


class Overseer:
    """Runs one supervisor until it exits."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self._kernel = kernel
        self._process = process
        self._spec: Supervision | None = None
        self._state = supervision.State(())
        self._watchdog = Watchdog(kernel.engine)
        self._end_by: dict[int, float] = {}
        """When a child that was told to end is killed, by pid. A crash gives it its time anew."""
        self.cannot_repeat = False
        """True while a new image begins, which an `exec` must not meet."""

    async def run(self) -> None:
        """Step until the end. Returns early, at an action's border, when the kernel parks."""
        process = self._process
        while process.alive and not self._kernel.parking:
            try:
                await self._advance()
            except JournalError as error:
                # Nothing was changed; the same step is tried again when the disk is back.
                log.error("process %d waits for the journal: %s", process.pid, error)
                self._become(State.BLOCKED, "the journal")
                await asyncio.sleep(RETRY_JOURNAL_S)

    async def _advance(self) -> None:
        """One step, whatever comes of it. Raises JournalError, and then nothing has changed."""
        process = self._process
        process.touched = _now()
        try:
            await self._step()
        except JournalError:
            raise
        except Exception as error:
            log.exception("process %d failed", process.pid)
            words = f"EIO: {type(error).__name__}: {error}"
            await self._kernel.end(process, EXIT_FAILED, words)

    async def _step(self) -> None:
        process, spec = self._process, self._spec
        if spec is None and process.space.last is not None:
            await self._read_diary()  # first of all: who obeys must know of its children
        elif process.pending is not None:
            await self._obey()
        elif self._limit_is_new():
            await self._tell(Told(Signal.XCPU.name, Signal.XCPU.exit_status))
        elif process.stopped:
            self._become(State.STOPPED)
            await process.continued.wait()
        elif spec is None:
            await self._receive_specification()
        elif len(process.space) >= MAX_PAGES:
            await self._begin_image()
        else:
            process.child_ended.clear()  # before looking: an end that comes later wakes us
            ended = self._ended_child()
            if ended is not None:
                await self._bury(spec, ended)
            else:
                await self._act(spec)

    async def _act(self, spec: Supervision) -> None:
        match supervision.next_action(spec, self._state):
            case supervision.Start(child):
                await self._start(child)
            case supervision.End(child, pid):
                await self._end(child, self._kernel.table.find(pid))
            case supervision.Exit(status, output):
                await self._kernel.end(self._process, status, output)
            case supervision.Watch():
                await self._watch(spec)

    # ---- beginning ------------------------------------------------------------------------

    async def _read_diary(self) -> None:
        """The specification, and all that has happened since."""
        process = self._process
        first, *diary = (entry.page for entry in process.space.resident)
        try:
            spec = childspec.parse(first.text)
        except SyscallError as error:
            await self._kernel.end(process, EXIT_FAILED, str(error))
            return
        state = supervision.beginning(spec)
        for page in diary:
            state = supervision.happened(spec, state, event_of(page.text), page.created)
        state = supervision.renamed(state, process.meant)
        children = {child.pid for child in self._kernel.table.children(process.pid)}
        if not children.issuperset(child.pid for child in state.children if child.pid):
            words = "a supervisor cannot be forked: the children are those of the first one"
            await self._kernel.end(process, EXIT_FAILED, words)
            return
        self._spec, self._state = spec, state

    async def _receive_specification(self) -> None:
        process = self._process
        message = process.mailbox.first()
        if message is None:
            self._become(State.BLOCKED, "a message")
            await self._pause(process.mailbox.next())
            return
        page = self._page("user", message.text)

        def take_place() -> None:
            process.space.append(page)
            process.mailbox.remove(message)

        await self._kernel.journal.commit(
            [
                *write_page(process.pid, process.image, page, None),
                records.delete_message(message),
            ],
            take_place,
        )

    async def _begin_image(self) -> None:
        """Go on with two pages instead of many."""
        process, image = self._process, self._process.image + 1
        space = AddressSpace(process.space.text)
        space.append(process.space.resident[0].page)
        space.append(self._page("assistant", sentence(Snapshot(self._state)), space))

        def take_place() -> None:
            process.image, process.space = image, space

        statements = [records.update(process.pid, image=image)]
        for entry in space.resident:
            statements += write_page(process.pid, image, entry.page, None)
        self.cannot_repeat = True
        try:
            await self._kernel.journal.commit(statements, take_place)
        finally:
            self.cannot_repeat = False

    # ---- children -------------------------------------------------------------------------

    async def _start(self, child: ChildSpec) -> None:
        """The child and the page that tells of it are one transaction."""
        process = self._process
        try:
            await self._kernel.spawn(
                task=await self._task(child),
                name=child.name,
                root=process.root,
                parent=process.pid,
                program=child.program,
                interactive=child.interactive,
                nice=child.nice,
                tools=None if child.tools is None else tuple(child.tools),
                limits=childspec.limits_of(child),
                budget=child.budget,
                output_schema=form.checked(child.output_schema),
                spawn_key=process.call_key(str(len(process.space))),
                along=lambda born: self._entry(Started(child.name, born.pid)),
            )
        except SyscallError as error:
            if not self._kernel.parking:
                await self._tell(NotStarted(child.name, shortened(str(error))))

    async def _task(self, child: ChildSpec) -> str | None:
        """With what it reads. Raises EFBIG, ENOENT."""
        spec = self._spec
        assert spec is not None
        parts = [child.task or ""]
        for name in child.reads:
            pid = self._state.children[supervision.position(spec, name)].last
            record = await self._kernel.journal.read(partial(read_process, pid=pid))
            if record is None or record.exit is None:  # restored in another kernel
                raise ENOENT(f"what {name} (pid {pid}) said is not in this kernel")
            parts.append(record.exit.output)
        text = "\n\n".join(part for part in parts if part.strip())
        if len(text) > MAX_COLLECTED:
            raise EFBIG(f"it would read more than {MAX_COLLECTED} characters")
        return text if child.reads else child.task

    def _ended_child(self) -> Process | None:
        return next(iter(self._kernel.table.zombies(self._process.pid)), None)

    async def _bury(self, spec: Supervision, child: Process) -> None:
        """First the diary, then the grave. One that the diary does not know as running is there
        already, or was given to the supervisor by somebody else."""
        name = supervision.name_of(spec, self._state, child.pid)
        if name is not None:
            assert child.exit is not None
            output = shortened(child.exit.output)
            await self._tell(Exited(name, child.pid, child.exit.status, output))
        self._watchdog.forget(child.pid)
        self._end_by.pop(child.pid, None)
        await self._kernel.reap(child)

    async def _end(self, child: ChildSpec, process: Process) -> None:
        """TERM, and KILL when its time is over."""
        now = _now()
        if process.pid not in self._end_by:
            self._end_by[process.pid] = now + child.shutdown_s if child.shutdown_s else math.inf
            if not process.ending and process.pending not in ENDING:
                at_once = child.shutdown_s == 0
                await self._kernel.signal(process, Signal.KILL if at_once else Signal.TERM)
        elif now >= self._end_by[process.pid] - SLACK_S:
            self._end_by[process.pid] = math.inf
            await self._kernel.signal(process, Signal.KILL)
        else:
            self._become(State.BLOCKED, f"the end of {child.name} (pid {process.pid})")
            await self._pause(self._process.child_ended.wait(), self._end_by[process.pid] - now)

    async def _watch(self, spec: Supervision) -> None:
        """Until a child ends, or is found to be hung."""
        table = self._kernel.table
        both = zip(spec.children, self._state.children, strict=True)
        running = [(child, table.find(standing.pid)) for child, standing in both if standing.pid]
        look = self._watchdog.look(running)
        if look.hung is not None:
            child, process, idle_s = look.hung
            try:
                await self._tell(Hung(child.name, process.pid, idle_s))
                await self._kernel.signal(process, Signal.KILL)
            except JournalError:
                self._watchdog.forget(process.pid)  # to be found again
                raise
            return
        children = supervision.counted(len(running), "child", "children")
        # It waits for nobody in particular: a watchdog, a limit or a signal may end any wait here.
        self._become(State.BLOCKED, f"{children}, {supervision.in_words(self._state)}")
        await self._pause(self._process.child_ended.wait(), look.quiet_s)

    # ---- signals --------------------------------------------------------------------------

    async def _obey(self) -> None:
        """KILL ends the supervisor, and leaves its children to pid 1. What asks it to end ends
        them first; being asked again changes nothing, for their time is bounded."""
        process = self._process
        signal = process.take_signal()
        assert signal is not None
        try:
            if signal is Signal.KILL or self._spec is None:
                await self._kernel.end(process, signal.exit_status, "")
            elif self._state.verdict is None:
                await self._tell(Told(signal.name, signal.exit_status))
            else:
                await self._kernel.journal.commit([records.update_progress(process)])
        except BaseException:
            if process.alive:
                process.pending = process.pending or signal
            raise

    def _limit_is_new(self) -> bool:
        """Has it used up what it may, and does not know it yet?"""
        process = self._process
        if self._spec is None or self._state.verdict is not None or not process.bounded:
            return False
        return bool(process.limits_reached(self._kernel.clock(), math.inf))

    async def _pause(
        self, event: Coroutine[object, object, object], seconds: float = math.inf
    ) -> None:
        """Until the event, a signal, or the end of the time."""
        waiting: asyncio.Task[object] = asyncio.ensure_future(event)
        self._process.operation = waiting
        try:
            await asyncio.wait({waiting}, timeout=None if math.isinf(seconds) else max(seconds, 0))
        finally:
            self._process.operation = None
            waiting.cancel()

    # ---- pages ----------------------------------------------------------------------------

    async def _tell(self, event: Event) -> None:
        statements, take_place = self._entry(event)
        await self._kernel.journal.commit(
            [*statements, records.update_progress(self._process)], take_place
        )

    def _entry(self, event: Event) -> tuple[list[Statement], Callable[[], None]]:
        """A page of the diary: what goes to the journal, and what it means for memory."""
        process, spec = self._process, self._spec
        assert spec is not None, "nothing happens before the specification is read"
        at = self._kernel.clock()
        state = supervision.happened(spec, self._state, event, at)
        page = self._page("assistant", sentence(event, self._outcome(spec, state, event)))
        page = replace(page, created=at)

        def take_place() -> None:
            process.space.append(page)
            self._kernel.bus.tell(Written(process.pid))
            self._state = state
            self._kernel.bus.publish(messages.Text(process.pid, f"{page.text}\n"))
            self._publish(spec, event)

        return write_page(process.pid, process.image, page, None), take_place

    def _publish(self, spec: Supervision, event: Event) -> None:
        """To whoever watches the supervisor."""
        match event:
            case Started(name, pid):
                told = messages.Child(self._process.pid, name, pid)
            case Exited(name, pid):
                done = self._state.children[supervision.position(spec, name)].done
                ended = self._kernel.table.find(pid).exit
                told = messages.Child(self._process.pid, name, pid, ended, done)
            case _:
                return
        self._kernel.bus.publish(told)

    def _outcome(self, spec: Supervision, state: supervision.State, event: Event) -> str:
        if not isinstance(event, Exited):
            return ""
        if state.verdict is not None:
            return "as it was told" if self._state.verdict else "one restart too many"
        if state.children[supervision.position(spec, event.name)].done:
            return "for good"
        return "restarting"

    def _page(self, role: Role, text: str, space: AddressSpace | None = None) -> Page:
        # No model reads it, so its tokens are not counted: no engine is needed.
        return (space or self._process.space).new_page(role, text, 0)

    def _become(self, state: State, words: str = "") -> None:
        process, waiting = self._process, Waiting(words) if words else NOTHING
        if (process.state, process.waiting) != (state, waiting):
            process.state, process.waiting = state, waiting
            self._kernel.bus.publish(messages.State(process.pid, state.value, process.waits_for))


def _now() -> float:
    return asyncio.get_running_loop().time()
