"""The kernel: the process table and everything that acts on it, put together.

Every change follows one form: the statements go to the journal, and what they mean for memory runs
in `after`, as soon as the commit is known and whether or not the caller still waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from ..memory.address_space import AddressSpace
from ..memory.draft import EMPTY
from ..memory.pager import Pager
from ..memory.swap import Statement, delete_draft, share_pages, write_page
from ..syscalls.dispatch import Dispatcher
from ..syscalls.errno import EAGAIN, EINVAL, ESRCH
from ..syscalls.registry import PluginRegistry
from . import messages, records
from .agent import DEFAULT_TEXT
from .bus import Bus
from .config import KernelConfig
from .engine.driver import EngineUnusable, ToolSpec
from .engine.supervisor import Engine
from .journal import Journal
from .limits import NO_LIMITS, Limits
from .mailbox import FROM_OUTSIDE, Message
from .messages import ExitInfo
from .process import INIT_PID, Accounting, Process, State, Waiting
from .scheduler import Scheduler
from .signals import Signal, stronger
from .table import ProcessTable

log = logging.getLogger(__name__)

NAME_LENGTH = 40
MAX_MAILBOX = 1000
PARK_GRACE_S = 5.0
MAX_RESERVE_TOKENS = 512
ALARM_SLACK_S = 0.01
NICEST, LEAST_NICE = 19, -20


class Running(Protocol):
    """A program at work in a process: what the kernel starts and stops."""

    cannot_repeat: bool
    """True while something is under way that must not be cut off without need."""

    async def run(self) -> None:
        """Until the process has exited or the kernel parks."""
        ...


class Kernel:
    """Owns every process. All methods run on the kernel's loop.

    `programs` says by name what can run in a process, and how it is made to. `clock` gives Unix
    seconds.
    """

    def __init__(
        self,
        config: KernelConfig,
        journal: Journal,
        engine: Engine,
        plugins: PluginRegistry,
        programs: Mapping[str, Callable[[Kernel, Process], Running]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self.journal = journal
        self.engine = engine
        self.plugins = plugins
        self.dispatcher = Dispatcher(plugins.table)
        self.table = ProcessTable()
        self.scheduler = Scheduler()
        self.bus = Bus()
        self.clock = clock
        self.pager: Pager | None = None
        self.stepping = False  # what is spawned before plugins are loaded waits for `start_all`
        self.parking = False
        self.interrupted_calls: set[tuple[int, str]] = set()
        """Calls that a crash cut off and that must not be made again, (pid, call_id)."""
        self.started = time.monotonic()
        self._message_ids = itertools.count(1)
        self._programs = programs
        self._at_work: dict[int, Running] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._reaped = Accounting()

    # ---- life -----------------------------------------------------------------------------

    def adopt_all(
        self,
        processes: Iterable[Process],
        last_pid: int,
        last_message_id: int,
        interrupted_calls: set[tuple[int, str]],
    ) -> None:
        """Take over what recovery found in the journal."""
        self.table = ProcessTable(last_pid + 1)
        for process in processes:
            self.table.add(process)
        self.interrupted_calls = interrupted_calls
        self._message_ids = itertools.count(last_message_id + 1)

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
            await self.journal.commit([records.insert_process(init)])
            self.table.add(init)
        init = self.table.find(INIT_PID)
        init.state, init.waiting = State.BLOCKED, Waiting("its children")

    def start_all(self) -> None:
        """Step every process that the journal brought back, and from now on each that is born."""
        self.stepping = True
        for process in self.table:
            if process.alive and process.pid != INIT_PID:
                self._start(process)

    async def follow_engine(self) -> None:
        """Open the scheduler whenever the engine is ready; a task of its own."""
        with contextlib.suppress(EngineUnusable):
            capacity = await self.engine.ready()
            reserve = min(MAX_RESERVE_TOKENS, capacity.window_tokens // 8)
            self.pager = Pager(capacity.window_tokens, reserve)
            self.scheduler.open(capacity.max_num_seqs)

    async def park(self) -> None:
        """Stop stepping; every process goes on from its last page at the next boot. A syscall
        that must not be cut off is given a few seconds to finish."""
        self.parking = True
        tasks: list[asyncio.Task[None]] = list(self._errands)
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

    # ---- birth ----------------------------------------------------------------------------

    async def spawn(
        self,
        *,
        task: str | None,
        name: str | None,
        root: Path,
        parent: int = INIT_PID,
        program: str = "agent",
        interactive: bool = False,
        nice: int | None = None,
        tools: tuple[str, ...] | None = None,
        limits: Limits = NO_LIMITS,
        budget: int | None = None,
        new_group: bool = False,
        sender: int = FROM_OUTSIDE,
        spawn_key: str | None = None,
    ) -> Process:
        """A new process, in the journal when this returns. What is None is as the parent has it.

        Raises EAGAIN (a limit is reached), EINVAL, ESRCH (no such parent).
        """
        if spawn_key is not None:
            again = await self.journal.read(lambda c: records.read_pid_of(c, spawn_key))
            if again is not None and again in self.table:
                return self.table.find(again)
        above = self._living(parent)
        self._check_program(program)
        self._check_tools(tools)
        self._check_room(above)
        if task is None and not interactive:
            raise EINVAL("a process that is not interactive needs a task")
        pid = self.table.new_pid()
        alone = new_group or parent == INIT_PID
        process = Process(
            pid=pid,
            parent=parent,
            program=program,
            name=_label(name or task or program),
            root=root,
            interactive=interactive,
            created=self.clock(),
            spawn_key=spawn_key,
            space=AddressSpace(DEFAULT_TEXT),
            group=pid if alone else above.group,
            session=pid if parent == INIT_PID else above.session,
            nice=above.nice if nice is None else checked_nice(nice),
            tools=above.tools if tools is None else tools,
            limits=above.limits.attenuated(limits),
            budget=budget,
        )
        statements: list[Statement] = []
        if task is not None:
            message = Message(next(self._message_ids), task, sender)
            process.mailbox.put(message)
            statements.append(records.insert_message(pid, message))
        await self._give_birth(process, above, budget, statements)
        return process

    async def fork(
        self,
        process: Process,
        *,
        task: str | None = None,
        name: str | None = None,
        interactive: bool | None = None,
        call_id: str = "",
        budget: int | None = None,
        spawn_key: str | None = None,
    ) -> Process:
        """A child with the same pages, copy-on-write, which goes on by itself: with `task` as its
        next message, or where its parent stands. Calls that wait for their result are the
        parent's; in the child they are answered with EINTR, and the one named `call_id`, which
        asked for the fork, with the news that it is the child.

        Raises EAGAIN, ESRCH.
        """
        if spawn_key is not None:
            again = await self.journal.read(lambda c: records.read_pid_of(c, spawn_key))
            if again is not None and again in self.table:
                return self.table.find(again)
        self._living(process.pid)
        self._check_room(process)
        pid = self.table.new_pid()
        child = Process(
            pid=pid,
            parent=process.pid,
            program=process.program,
            name=_label(name or task or process.name),
            root=process.root,
            interactive=process.interactive if interactive is None else interactive,
            created=self.clock(),
            spawn_key=spawn_key,
            space=process.space.fork(),
            group=process.group,
            session=process.session,
            nice=process.nice,
            tools=process.tools,
            limits=process.limits,
            budget=budget,
        )
        statements = [share_pages(process.pid, process.image, pid, len(child.space))]
        for call in child.space.unanswered_calls():
            text = (
                f"0 (this is the child, pid {pid})"
                if call.call_id == call_id
                else "EINTR: this process is a fork; the call belongs to its parent"
            )
            page = child.space.new_page(
                "tool", text, self.engine.count_tokens(text), call_id=call.call_id
            )
            child.space.append(page)
            statements += write_page(pid, 0, page, None)
        if task is not None:
            message = Message(next(self._message_ids), task)
            child.mailbox.put(message)
            statements.append(records.insert_message(pid, message))
        await self._give_birth(child, process, budget, statements)
        return child

    async def _give_birth(
        self, process: Process, above: Process, asked: int | None, statements: list[Statement]
    ) -> None:
        """Commit the new process; its budget comes out of that of the process above."""
        process.budget = share = self._share(above, asked)
        if above.budget is not None and share is not None:
            above.budget -= share  # before the commit: nobody else may have it meanwhile
            statements.append(records.grant(above.pid, -share))
        # A parent that ends while this is committed leaves an orphan.
        born = functools.partial(self._born, process)
        try:
            await self.journal.commit([records.insert_process(process), *statements], born)
        except Exception:
            if above.budget is not None and share is not None:
                above.budget += share
            raise

    def _born(self, process: Process) -> None:
        self.table.add(process)
        if process.parent not in self.table or not self.table.find(process.parent).alive:
            self.table.reparent(process, INIT_PID)
            self.errand(self.journal.commit([records.adopt(process.pid)]))
        self._start(process)

    @staticmethod
    def _share(above: Process, asked: int | None) -> int | None:
        """The budget of a child: what it asks for, or half of what is there."""
        if above.budget is None:
            return asked
        left = int(above.tokens_left)
        share = left // 2 if asked is None else asked
        if share < 1 or share > left:
            raise EAGAIN(
                f"process {above.pid} has {max(left, 0)} tokens of its budget left,"
                f" {max(share, 1)} are needed",
                hint="ask for less, or let a child end: what it leaves comes back",
            )
        return share

    def _check_room(self, above: Process) -> None:
        if self.parking:
            raise EAGAIN("the kernel is halting", hint="boot it again")
        if self.table.num_alive() >= self.config.max_processes:
            raise EAGAIN(
                f"{self.config.max_processes} processes are alive, which is the limit",
                hint="wait for some to end",
            )
        depth = sum(1 for _ in self.table.ancestors(above.pid))
        deepest = min(self.config.max_depth, above.limits.of("depth").hard)
        if depth >= deepest:
            raise EAGAIN(
                f"process {above.pid} is {depth} levels below the first, which is the limit",
                hint="do the work instead of passing it on",
            )
        most = above.limits.of("children").hard
        if above.pid != INIT_PID and self.table.num_children(above.pid) >= most:
            raise EAGAIN(
                f"process {above.pid} has {most:.0f} children, which is its limit",
                hint="wait for one of them",
            )

    def _check_program(self, program: str) -> None:
        if program not in self._programs:
            raise EINVAL(
                f"there is no program {program!r}",
                hint="there are " + ", ".join(sorted(self._programs)),
            )

    def _check_tools(self, tools: tuple[str, ...] | None) -> None:
        for name in tools or ():
            self.plugins.table.lookup(name)  # raises ENOSYS, with the nearest name

    def _living(self, pid: int) -> Process:
        process = self.table.find(pid)
        if not process.alive:
            raise ESRCH(f"process {pid} has ended")
        return process

    def _start(self, process: Process) -> None:
        if not self.stepping:
            return
        running = self._programs[process.program](self, process)
        self._at_work[process.pid] = running
        process.task = asyncio.create_task(running.run(), name=f"process {process.pid}")
        self.watch_the_clock(process)

    # ---- what is done to processes --------------------------------------------------------

    async def exec(
        self, process: Process, *, task: str, program: str = "agent", name: str | None = None
    ) -> None:
        """Replace what runs in a process: another program, an empty address space, the task as
        its first message. Pid, tree, mailbox, limits and usage stay.

        Raises EINVAL, ESRCH, and EAGAIN while a call is under way that must not be cut off.
        """
        self._living(process.pid)
        self._check_program(program)
        running = self._at_work.get(process.pid)
        if running is not None and running.cannot_repeat:
            raise EAGAIN(
                f"process {process.pid} makes a call that must not be cut off",
                hint="try again when it is over",
            )
        task_at_work = process.task
        if task_at_work is not None:
            task_at_work.cancel()
            await asyncio.gather(task_at_work, return_exceptions=True)
        image, label = process.image + 1, _label(name or task)
        message = Message(next(self._message_ids), task)

        def replace() -> None:
            process.image, process.program, process.name = image, program, label
            process.space, process.draft = AddressSpace(DEFAULT_TEXT), EMPTY
            process.mailbox.put(message)

        try:
            await self.journal.commit(
                [
                    records.update(
                        process.pid, image=image, program=program, name=label, text=DEFAULT_TEXT
                    ),
                    delete_draft(process.pid),
                    records.insert_message(process.pid, message),
                ],
                replace,
            )
        finally:
            if process.alive and not self.parking:
                self._start(process)

    async def send(
        self, pid: int, text: str, sender: int = FROM_OUTSIDE, kind: str = "message"
    ) -> None:
        """Put a message into a mailbox; in the journal when this returns. Raises ESRCH, EAGAIN."""
        process, message = self.letter(pid, text, sender, kind)
        await self.journal.commit(
            [records.insert_message(pid, message)], lambda: process.mailbox.put(message)
        )

    def letter(
        self, pid: int, text: str, sender: int = FROM_OUTSIDE, kind: str = "message"
    ) -> tuple[Process, Message]:
        """A message that the process can take. Raises ESRCH, EAGAIN."""
        process = self.table.find(pid)
        if not process.alive or pid == INIT_PID:
            raise ESRCH(f"process {pid} takes no messages")
        if len(process.mailbox) >= MAX_MAILBOX:
            raise EAGAIN(
                f"{MAX_MAILBOX} messages wait for process {pid}, which is the limit",
                hint="let it answer some",
            )
        return process, Message(next(self._message_ids), text, sender, kind, self.clock())

    async def signal(self, process: Process, signal: Signal, payload: str = "") -> None:
        """Deliver a signal; it is in the journal when this returns, and takes effect at the next
        token boundary. To a process that has ended it does nothing."""
        if not process.alive or process.pid == INIT_PID:
            return
        match signal:
            case Signal.USR1:
                await self.send(process.pid, payload, kind="USR1")
                return
            case Signal.CHLD:
                process.child_ended.set()
                return
            case Signal.STOP:
                change = records.update(process.pid, stopped=1)
            case Signal.CONT:
                change = records.update(process.pid, stopped=0)
            case Signal.INT:
                pending = signal if stronger(signal, process.pending) else process.pending
                change = records.update(process.pid, pending=pending.name if pending else "")
            case _:  # it ends the process: one that was stopped must be able to
                pending = signal if stronger(signal, process.pending) else process.pending
                name = pending.name if pending else ""
                change = records.update(process.pid, pending=name, stopped=0)

        def deliver() -> None:
            if process.alive:
                if signal in (Signal.TERM, Signal.KILL, Signal.XCPU):
                    process.stopped = False
                process.deliver(signal)

        await self.journal.commit([change], deliver)

    async def set_nice(self, process: Process, nice: int) -> None:
        """Raises EINVAL."""
        checked_nice(nice)

        def change() -> None:
            process.nice = nice

        await self.journal.commit([records.update(process.pid, nice=nice)], change)

    async def set_group(self, process: Process, group: int) -> None:
        """Move a process to the group of another one of its session, or to one of its own.
        Raises EPERM, ESRCH."""
        if group != process.pid and not any(
            member.session == process.session for member in self.table.group(group)
        ):
            raise ESRCH(f"there is no group {group} in the session of process {process.pid}")
        await self.journal.commit(
            [records.update(process.pid, pgid=group)],
            lambda: self.table.regroup(process, group),
        )

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
            process.deliver(Signal.XCPU)
        else:  # the two clocks do not quite agree
            loop = asyncio.get_running_loop()
            process.alarm = loop.call_later(ALARM_SLACK_S, self._time_is_up, process)

    # ---- end ------------------------------------------------------------------------------

    async def end(
        self, process: Process, status: int, output: str, statements: Iterable[Statement] = ()
    ) -> None:
        """The process becomes a zombie; its children go to pid 1, and dead ones are reaped. What
        is left of its budget returns to its parent."""
        ended = ExitInfo(process.pid, status, output, process.accounting.usage())
        orphans = self.table.children(process.pid)
        above = self.table.get(process.parent)
        left = 0
        if process.budget is not None and above is not None and above.budget is not None:
            left = process.budget - process.accounting.tokens
        await self.journal.commit(
            [
                records.update_progress(process),
                records.update_exit(process.pid, ended),
                delete_draft(process.pid),
                *(records.adopt(orphan.pid) for orphan in orphans),
                *([records.grant(process.parent, left)] if left else ()),
                *statements,
            ],
            lambda: self._ended(process, ended, orphans, above, left),
        )
        for child in (*orphans, process):
            if child.adopted and not child.alive:
                await self.reap(child)

    def _ended(
        self,
        process: Process,
        ended: ExitInfo,
        orphans: list[Process],
        above: Process | None,
        left: int,
    ) -> None:
        if above is not None and above.budget is not None:
            above.budget += left
        if left:  # it has gone back: it is not this one's any more
            process.budget = process.accounting.tokens
        process.exit, process.state, process.waiting = ended, State.ZOMBIE, Waiting()
        process.pending, process.stopped, process.draft = None, False, EMPTY
        self.table.note_death()
        if process.alarm is not None:
            process.alarm.cancel()
        process.exited.set()
        self._at_work.pop(process.pid, None)
        for orphan in orphans:
            self.table.reparent(orphan, INIT_PID)
        self.bus.publish(messages.Exit(process.pid, ended.status, ended.output))
        if above is not None:
            above.child_ended.set()

    async def reap(self, process: Process) -> None:
        """Take a zombie out of the table; its pages stay in swap."""
        if process.pid in self.table and not process.alive:
            self.table.remove(process.pid)
            self._reaped.add(process.accounting)
            await self.journal.commit([records.reap(process.pid)])

    async def wait_any(self, parent: Process, pids: frozenset[int] | None = None) -> Process:
        """The first child that has ended, or will, of `pids` or of all. It is not reaped yet."""
        while True:
            parent.child_ended.clear()
            for child in self.table.children(parent.pid):
                if not child.alive and (pids is None or child.pid in pids):
                    return child
            await parent.child_ended.wait()

    def errand(self, work: Coroutine[object, object, None]) -> None:
        """Something that must be done, and that nobody waits for."""
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errand_done)

    def _errand_done(self, task: asyncio.Task[None]) -> None:
        self._errands.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("an errand failed", exc_info=task.exception())

    # ---- syscalls -------------------------------------------------------------------------

    def tools(self, process: Process) -> tuple[ToolSpec, ...]:
        """The syscalls as the process's model sees them, in a fixed order."""
        return tuple(
            ToolSpec(spec.name, spec.summary, spec.parameters)
            for spec in self.plugins.table.specs()
            if (spec.listed if process.tools is None else spec.name in process.tools)
        )

    def effect_of(self, name: str) -> str:
        """`pure`, `idempotent` or `once`; a call that does not exist has no effect."""
        spec = self.plugins.table.find(name)
        return spec.effect if spec else "pure"

    # ---- looking --------------------------------------------------------------------------

    def usage(self) -> messages.Usage:
        """Of all processes since boot, ended ones included."""
        total = Accounting()
        total.add(self._reaped)
        for process in self.table:
            total.add(process.accounting)
        return total.usage()


def _label(text: str) -> str:
    return " ".join(text.split())[:NAME_LENGTH] or "agent"


def checked_nice(nice: int) -> int:
    """Raises EINVAL."""
    if not LEAST_NICE <= nice <= NICEST:
        raise EINVAL(f"nice {nice} is not from {LEAST_NICE} (first) to {NICEST} (last)")
    return nice
