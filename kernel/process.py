"""The process: what the kernel knows of one agent task."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from ..memory.address_space import AddressSpace
from .messages import ExitInfo, ProcessInfo, Usage

INIT_PID = 1


class State(enum.Enum):
    """Where a process stands.

    new → ready ⇄ running → blocked → ready …, at last zombie, until its parent reaps it.
    """

    NEW = "new"
    READY = "ready"  # has work for the engine, waits for admission
    RUNNING = "running"  # in the engine
    BLOCKED = "blocked"  # waits for a message, a syscall, another process
    STOPPED = "stopped"
    ZOMBIE = "zombie"


class Signal(enum.Enum):
    """The value is the exit status of a process that the signal ends."""

    INT = 130
    KILL = 137
    TERM = 143


_STRENGTH = (Signal.INT, Signal.TERM, Signal.KILL)

EXIT_OK = 0
EXIT_FAILED = 1


@dataclass(frozen=True, slots=True)
class Message:
    """Text on its way to a process; `id` is its row in the journal."""

    id: int
    text: str


@dataclass(slots=True)
class Accounting:
    """What a process has cost. Only ever added to."""

    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    syscalls: int = 0
    engine_s: float = 0.0

    def usage(self) -> Usage:
        return Usage(
            self.tokens_in, self.tokens_cached, self.tokens_out, self.syscalls, self.engine_s
        )

    def add(self, other: Accounting) -> None:
        self.tokens_in += other.tokens_in
        self.tokens_cached += other.tokens_cached
        self.tokens_out += other.tokens_out
        self.syscalls += other.syscalls
        self.engine_s += other.engine_s


@dataclass(slots=True, eq=False)
class Process:
    """One row of the process table.

    What it is stands in the journal and never changes, but for `parent` (orphans go to pid 1).
    """

    pid: int
    parent: int
    program: str
    name: str
    root: Path
    interactive: bool
    created: float
    spawn_key: str | None  # the syscall that made it; None when a client did

    # private to the process: its memory and what it has cost
    space: AddressSpace
    mailbox: deque[Message] = field(default_factory=deque)
    accounting: Accounting = field(default_factory=Accounting)

    # held by the kernel that steps it
    state: State = State.NEW
    waits_for: str = ""
    exit: ExitInfo | None = None
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    mail: asyncio.Event = field(default_factory=asyncio.Event)
    pending: Signal | None = None
    task: asyncio.Task[None] | None = None
    operation: asyncio.Task[object] | None = None

    @property
    def alive(self) -> bool:
        return self.exit is None

    @property
    def adopted(self) -> bool:
        """Did its parent end before it? Then pid 1 reaps it."""
        return self.parent == INIT_PID and self.spawn_key is not None

    def deliver(self, signal: Signal) -> None:
        """Make a signal pending and break off what the process waits for. A stronger signal
        replaces a weaker one."""
        if self.pending is None or _STRENGTH.index(signal) > _STRENGTH.index(self.pending):
            self.pending = signal
        if self.operation is not None:
            self.operation.cancel()

    def take_signal(self) -> Signal | None:
        signal, self.pending = self.pending, None
        return signal

    def info(self) -> ProcessInfo:
        """As `ps` shows it."""
        return ProcessInfo(
            pid=self.pid,
            parent=self.parent,
            state=self.state.value,
            program=self.program,
            name=self.name,
            interactive=self.interactive,
            created=self.created,
            waits_for=self.waits_for,
            exit_status=self.exit.status if self.exit else None,
            usage=self.accounting.usage(),
        )
