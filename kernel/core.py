"""The kernel's core: what it owns, and what every part of it does.

The kernel is one object, written in layers, a file each: the core, then `birth`, `control` and
`ending`, which do not know of each other, `conversations` on births and endings, and `kernel`,
which is all of them and its life.

Every change follows one form: the statements go to the journal, and what they mean for memory runs
in `after`, as soon as the commit is known and whether or not the caller still waits for it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol

from ..memory.pager import Pager
from ..memory.recall_process import LocalRecall, Recall
from ..syscalls.dispatch import Dispatcher
from ..syscalls.errno import EINVAL, ESRCH, SyscallError
from ..syscalls.mounts.mount_table import MountTable
from ..syscalls.registry import PluginRegistry
from ..syscalls.spec import SyscallSpec
from ..syscalls.table import spoken
from . import messages
from .backlog import Backlog
from .bus import Bus
from .chosen import eviction_policy, scheduling_policy
from .config import KernelConfig
from .engine.driver import ToolSpec
from .engine.supervisor import Engine
from .journal import Journal
from .knowledge import Knowledge
from .links import Links
from .namespaces import Namespaces
from .offering import Offering
from .onlooker import Onlooker
from .pipe import Pipe
from .process import Accounting, Process
from .recorder import Recorder
from .retrieval import Retrieval
from .scheduler import Scheduler
from .shared import SharedPages
from .table import ProcessTable
from .timers import Timers

log = logging.getLogger(__name__)

OF_PLUGINS = ""
"""Among the programs: what runs those that plugins bring."""

NAME_LENGTH = 40
MAX_RESERVE_TOKENS = 512
NICEST, LEAST_NICE = 19, -20


class Running(Protocol):
    """A program at work in a process: what the kernel starts and stops."""

    cannot_repeat: bool
    """True while something is under way that must not be cut off without need."""

    async def run(self) -> None:
        """Until the process has exited or the kernel parks."""
        ...


class Core(ABC):
    """Owns every process. All methods run on the kernel's loop.

    `programs` says by name what can run in a process, and how a kernel makes it run there. `clock`
    gives Unix seconds; `recall` finds pages, by words alone unless another is given.
    """

    def __init__(
        self,
        config: KernelConfig,
        journal: Journal,
        engine: Engine,
        plugins: PluginRegistry,
        programs: Mapping[str, Callable[[Any, Process], Running]],
        clock: Callable[[], float] = time.time,
        recall: Recall | None = None,
        mounts: MountTable | None = None,
    ) -> None:
        self.config = config
        self.journal = journal
        self.engine = engine
        self.plugins = plugins
        self.mounts = mounts or MountTable(plugins.table, config.mounts, config.approvals)
        self.offering = Offering(plugins.table, engine.count_tokens)
        self.dispatcher = Dispatcher(plugins.table, [plugins.observers])
        self.table = ProcessTable()
        policy = scheduling_policy(config.scheduler, config.plugins_dir, config.scheduling)
        self.scheduler = Scheduler(policy, config.scheduler, config.scheduling)
        self.backlog = Backlog(self.scheduler, config.max_waiting)
        self.bus = Bus()
        self.onlookers: dict[int, Onlooker] = {}
        self.links = Links()
        self.shared = SharedPages(self.table)
        self.namespaces = Namespaces(journal, self.table)
        self.clock = clock
        self.timers = Timers(clock)
        self.recorder = Recorder(self.scheduler, engine, clock)
        recall = recall or LocalRecall(config.journal)
        self.retrieval = Retrieval(journal, recall, config.reminder_tokens)
        self.knowledge = Knowledge(self.namespaces, recall)
        self.pager: Pager | None = None
        self.measuring = asyncio.Lock()
        self.rendering = asyncio.Lock()
        """One after another, or whoever is interactive waits for all that come at once."""
        self.stepping = False  # what is spawned before plugins are loaded waits for `start_all`
        self.begun = asyncio.Event()  # set when it is True
        self.parking = False
        self.guests: set[int] = set()
        """Those whose client is connected."""
        self.interrupted_calls: set[tuple[int, str]] = set()
        """Calls that a crash cut off and that must not be made again, (pid, call_id)."""
        self.started = time.monotonic()
        self.pipes: dict[int, Pipe] = {}
        self._message_ids = itertools.count(1)
        self._pipe_ids = itertools.count(1)
        self._programs = programs
        self._at_work: dict[int, Running] = {}
        self.resuming = asyncio.Lock()
        """Held from a look at conversations to what follows from it."""
        self._regrouping = asyncio.Lock()
        self._errands: set[asyncio.Task[None]] = set()
        self._pastimes: set[asyncio.Task[None]] = set()
        self._unborn: Counter[int] = Counter()  # by parent: births that are being committed
        self._reaped = Accounting()
        self._carried = Accounting()

    @abstractmethod
    def start(self, process: Process) -> None:
        """Step a process from now on."""

    @abstractmethod
    def watch_the_clock(self, process: Process) -> None:
        """Wake a process up when its wall time is over: it may be waiting for something else."""

    def fit_window(self, window_tokens: int) -> None:
        """Windows hold so many tokens from now on, if they do not hold fewer by now."""
        if self.pager is not None and self.pager.window_tokens <= window_tokens:
            return
        longest = self.config.sampling.max_tokens or MAX_RESERVE_TOKENS
        self.pager = Pager(
            window_tokens,
            min(longest, MAX_RESERVE_TOKENS, window_tokens // 8),
            self.config.watermarks,
            eviction_policy(self.config.eviction, self.config.plugins_dir),
        )
        self.retrieval.fit(self.pager.page_tokens)

    # ---- errands --------------------------------------------------------------------------

    def errand(self, work: Coroutine[object, object, None]) -> None:
        """Something that must be done, and that nobody waits for."""
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errand_done)

    def pastime(self, work: Coroutine[object, object, None]) -> None:
        """Something that is good to have, and that a halt cuts off."""
        task = asyncio.create_task(work)
        self._pastimes.add(task)
        task.add_done_callback(self._errand_done)

    async def to_the_end(self, work: Coroutine[object, object, None]) -> None:
        """Do it, and to the end also if the caller is cancelled meanwhile."""
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        await asyncio.shield(task)

    def _errand_done(self, task: asyncio.Task[None]) -> None:
        self._errands.discard(task)
        self._pastimes.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("an errand failed", exc_info=task.exception())

    # ---- what there is --------------------------------------------------------------------

    def living(self, pid: int) -> Process:
        """Raises ESRCH."""
        process = self.table.find(pid)
        if not process.alive:
            raise ESRCH(f"process {pid} has ended")
        return process

    def at_work(self, process: Process) -> Running | None:
        """The program that runs in it; None before processes step, or in the midst of an exec."""
        return self._at_work.get(process.pid)

    async def check_program(self, program: str) -> None:
        """Raises EINVAL. While the kernel boots, it waits for plugins before it does."""
        try:
            self.known_program(program)
        except SyscallError:
            await self.plugins.loaded.wait()
            self.known_program(program)

    def known_program(self, program: str) -> None:
        """Raises EINVAL."""
        ours = [name for name in self._programs if name != OF_PLUGINS]
        if program in ours:
            return
        try:
            self.plugins.program(program)
        except SyscallError as error:
            hint = error.hint or f"there are {', '.join(sorted(ours))}"
            raise EINVAL(error.message, hint=hint) from None

    async def check_tools(self, tools: Iterable[str] | None) -> None:
        """Raises ENOSYS. While the kernel boots, it waits for plugins before it does."""
        for name in tools or ():
            if not self.offering.knows(name):
                await self.syscalls_known()
            self.offering.check(name)

    async def syscalls_known(self) -> None:
        """Until plugins and mounts are loaded, and what is not there does not exist."""
        await self.plugins.loaded.wait()
        await self.mounts.loaded.wait()

    def new_message_id(self) -> int:
        return next(self._message_ids)

    def tools(self, process: Process) -> tuple[ToolSpec, ...]:
        """The syscalls as the process's model sees them, in a fixed order."""
        return tuple(
            ToolSpec(spoken(spec.name), spec.summary, spec.parameters)
            for spec in self.offered(process)
        )

    def offered(self, process: Process) -> list[SyscallSpec]:
        """The syscalls that the process's model sees, by name."""
        return self.offering.to(process.tools, self.window_tokens)

    @property
    def window_tokens(self) -> int | None:
        """What a prompt may have; None before the engine is ready."""
        return None if self.pager is None else self.pager.high_tokens

    def offers(self, process: Process, name: str) -> bool:
        """Does the process's model see this syscall?"""
        return any(spec.name == name for spec in self.offered(process))

    def effect_of(self, name: str) -> str:
        """`pure`, `idempotent` or `once`; a call that does not exist has no effect."""
        spec = self.plugins.table.find(name)
        return spec.effect if spec else "pure"

    def usage(self) -> messages.Usage:
        """Of all processes since boot, ended ones included. What restored ones have brought with
        them was another kernel's work.

        Added up anew each time: for 10 000 processes, the most that there may be, it takes 1.3 ms,
        and a shell asks once a second. A second count kept beside the first could differ from it.
        """
        total = Accounting()
        total.add(self._reaped)
        for process in self.table:
            total.add(process.accounting)
        return total.less(self._carried).usage()


def label(text: str) -> str:
    """A name for `ps`."""
    return " ".join(text.split())[:NAME_LENGTH] or "agent"


def checked_nice(nice: int) -> int:
    """Raises EINVAL."""
    if not LEAST_NICE <= nice <= NICEST:
        raise EINVAL(f"nice {nice} is not from {LEAST_NICE} (first) to {NICEST} (last)")
    return nice
