"""The kernel: the process table and everything that acts on it, put together."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from ..memory.address_space import AddressSpace
from ..memory.pager import Pager
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
from .messages import ExitInfo
from .process import INIT_PID, Accounting, Message, Process, Signal, State
from .scheduler import Scheduler
from .table import ProcessTable

log = logging.getLogger(__name__)

NAME_LENGTH = 40
MAX_MAILBOX = 1000
PARK_GRACE_S = 5.0
MAX_RESERVE_TOKENS = 512


class Running(Protocol):
    """A program at work in a process: what the kernel starts and stops."""

    cannot_repeat: bool
    """True while something is under way that must not be cut off without need."""

    async def run(self) -> None:
        """Until the process has exited or the kernel parks."""
        ...


class Kernel:
    """Owns every process. All methods run on the kernel's loop.

    `programs` says by name what can run in a process, and how it is made to.
    """

    def __init__(
        self,
        config: KernelConfig,
        journal: Journal,
        engine: Engine,
        plugins: PluginRegistry,
        programs: Mapping[str, Callable[[Kernel, Process], Running]],
    ) -> None:
        self.config = config
        self.journal = journal
        self.engine = engine
        self.plugins = plugins
        self.dispatcher = Dispatcher(plugins.table)
        self.table = ProcessTable()
        self.scheduler = Scheduler()
        self.bus = Bus()
        self.pager: Pager | None = None
        self.parking = False
        self.interrupted_calls: set[tuple[int, str]] = set()
        """Calls that a crash cut off and that must not be made again, (pid, call_id)."""
        self.started = time.monotonic()
        self._message_ids = itertools.count(1)
        self._programs = programs
        self._at_work: dict[int, Running] = {}
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
            init = self._new_process(INIT_PID, 0, "init", "init", Path("/"), True, None)
            await self.journal.commit([records.insert_process(init)])
            self.table.add(init)
        init = self.table.find(INIT_PID)
        init.state, init.waits_for = State.BLOCKED, "its children"

    def start_all(self) -> None:
        """Step every process that the journal brought back."""
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
        tasks = []
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

    # ---- processes ------------------------------------------------------------------------

    async def spawn(
        self,
        *,
        task: str | None,
        name: str | None,
        root: Path,
        parent: int = INIT_PID,
        interactive: bool = False,
        spawn_key: str | None = None,
    ) -> Process:
        """A new process, in the journal when this returns. Raises EAGAIN, EINVAL."""
        if spawn_key is not None:
            again = await self.journal.read(lambda c: records.read_pid_of(c, spawn_key))
            if again is not None and again in self.table:
                return self.table.find(again)
        self._check_room(parent)
        if task is None and not interactive:
            raise EINVAL("a process that is not interactive needs a task")
        label = " ".join((name or task or "agent").split())[:NAME_LENGTH]
        process = self._new_process(
            self.table.new_pid(), parent, "agent", label, root, interactive, spawn_key
        )
        statements = [records.insert_process(process)]
        if task is not None:
            message = Message(next(self._message_ids), task)
            process.mailbox.append(message)
            statements.append(records.insert_message(process.pid, message))
        self.table.add(process)
        try:
            await self.journal.commit(statements)
        except BaseException:
            self.table.remove(process.pid)
            raise
        self._start(process)
        return process

    def _check_room(self, parent: int) -> None:
        if self.table.num_alive() >= self.config.max_processes:
            raise EAGAIN(
                f"{self.config.max_processes} processes are alive, which is the limit",
                hint="wait for some to end",
            )
        depth = sum(1 for _ in self.table.ancestors(parent))
        if depth >= self.config.max_depth:
            raise EAGAIN(
                f"process {parent} is {depth} levels below the first, which is the limit",
                hint="do the work instead of passing it on",
            )

    @staticmethod
    def _new_process(
        pid: int,
        parent: int,
        program: str,
        name: str,
        root: Path,
        interactive: bool,
        spawn_key: str | None,
    ) -> Process:
        return Process(
            pid=pid,
            parent=parent,
            program=program,
            name=name,
            root=root,
            interactive=interactive,
            created=time.time(),
            spawn_key=spawn_key,
            space=AddressSpace(DEFAULT_TEXT),
        )

    def _start(self, process: Process) -> None:
        running = self._programs[process.program](self, process)
        self._at_work[process.pid] = running
        process.task = asyncio.create_task(running.run(), name=f"process {process.pid}")

    async def send(self, pid: int, text: str) -> None:
        """Put a message into a mailbox; in the journal when this returns. Raises ESRCH."""
        process = self.table.find(pid)
        if not process.alive or pid == INIT_PID:
            raise ESRCH(f"process {pid} takes no messages")
        if len(process.mailbox) >= MAX_MAILBOX:
            raise EAGAIN(
                f"{MAX_MAILBOX} messages wait for process {pid}, which is the limit",
                hint="let it answer some",
            )
        message = Message(next(self._message_ids), text)
        await self.journal.commit([records.insert_message(pid, message)])
        process.mailbox.append(message)
        process.mail.set()

    def signal(self, process: Process, signal: Signal) -> None:
        """Deliver a signal; it takes effect at the next token boundary."""
        if process.alive and process.pid != INIT_PID:
            process.deliver(signal)

    async def end(self, process: Process, status: int, output: str) -> None:
        """The process becomes a zombie; its children go to pid 1, and dead ones are reaped."""
        ended = ExitInfo(process.pid, status, output, process.accounting.usage())
        orphans = self.table.children(process.pid)
        await self.journal.commit(
            [
                records.update_exit(process.pid, ended),
                records.update_accounting(process.pid, process.accounting),
                *(records.adopt(orphan.pid) for orphan in orphans),
            ]
        )
        process.exit, process.state, process.waits_for = ended, State.ZOMBIE, ""
        process.exited.set()
        self._at_work.pop(process.pid, None)
        self.bus.publish(messages.Exit(process.pid, status, output))
        for orphan in orphans:
            orphan.parent = INIT_PID
        for child in (*orphans, process):
            if child.adopted and not child.alive:
                await self.reap(child)

    async def reap(self, process: Process) -> None:
        """Take a zombie out of the table; its pages stay in swap."""
        if process.pid in self.table and not process.alive:
            self.table.remove(process.pid)
            self._reaped.add(process.accounting)
            await self.journal.commit([records.reap(process.pid)])

    # ---- syscalls -------------------------------------------------------------------------

    def tools(self) -> tuple[ToolSpec, ...]:
        """The syscalls as the model sees them, in a fixed order."""
        return tuple(
            ToolSpec(spec.name, spec.summary, spec.parameters)
            for spec in self.plugins.table.specs()
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
