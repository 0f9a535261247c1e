"""The process: what the kernel knows of one agent task."""

from __future__ import annotations

import asyncio
import enum
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..memory.address_space import AddressSpace
from ..memory.draft import EMPTY, Draft
from .limits import NO_LIMITS, Limits
from .mailbox import Mailbox
from .messages import ExitInfo, Usage
from .pipe import Pipe
from .signals import Signal, stronger

INIT_PID = 1


class State(enum.Enum):
    """Where a process stands. `docs/processes.md` draws the moves."""

    NEW = "new"
    READY = "ready"  # has work for the engine, waits for admission
    RUNNING = "running"  # in the engine
    BLOCKED = "blocked"  # waits for a message, a syscall, another process
    STOPPED = "stopped"  # by a signal
    ZOMBIE = "zombie"


MOVES: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.READY, State.BLOCKED, State.STOPPED, State.ZOMBIE}),
    State.READY: frozenset({State.RUNNING, State.BLOCKED, State.STOPPED, State.ZOMBIE}),
    State.RUNNING: frozenset({State.READY, State.BLOCKED, State.STOPPED, State.ZOMBIE}),
    State.BLOCKED: frozenset({State.READY, State.STOPPED, State.ZOMBIE}),
    State.STOPPED: frozenset({State.READY, State.BLOCKED, State.ZOMBIE}),
    State.ZOMBIE: frozenset(),
}

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_MISSHAPEN = 65
"""Its answer is not of the schema that it was to be of."""


@dataclass(slots=True)
class Accounting:
    """What a process has cost. Only ever added to."""

    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    syscalls: int = 0
    engine_s: float = 0.0

    @property
    def tokens(self) -> int:
        """What limits and budgets count: tokens that the engine had to compute."""
        return self.tokens_in - self.tokens_cached + self.tokens_out

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

    def less(self, other: Accounting) -> Accounting:
        return Accounting(
            self.tokens_in - other.tokens_in,
            self.tokens_cached - other.tokens_cached,
            self.tokens_out - other.tokens_out,
            self.syscalls - other.syscalls,
            self.engine_s - other.engine_s,
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a blocked process waits for, in words, and the processes any one of which could end
    the wait. Empty `on`: it is the outside world that ends it. `over` says that it has been ended,
    though the process has not woken up yet."""

    words: str = ""
    on: frozenset[int] = frozenset()
    over: Callable[[], bool] = field(default=lambda: False, compare=False)


NOTHING = Waiting()


@dataclass(slots=True, eq=False)
class Process:
    """One row of the process table."""

    # given at birth, and never changed
    pid: int
    root: Path
    interactive: bool
    created: float
    spawn_key: str | None  # the syscall that made it; None when a client did

    # the kernel's to change, each change in the journal before it is made
    parent: int
    program: str
    name: str
    space: AddressSpace
    group: int = 0
    session: int = 0
    nice: int = 0
    tools: tuple[str, ...] | None = None  # the syscalls it is offered; None: the usual ones
    limits: Limits = NO_LIMITS
    budget: int | None = None  # tokens granted, less what was passed on; None: no end
    lender: int | None = None  # whose tokens these were; `budget.py` says who gets the rest
    output_schema: str | None = None  # of its final answers, as JSON text (`form.py`)
    image: int = 0  # how many times it has called exec
    aliases: Mapping[int, int] | None = None  # pids as it knew them before it was restored
    stopped: bool = False
    ending: int = 0  # the exit status of an end that has begun, in its last turn
    ending_since: float = 0.0
    pending: Signal | None = None

    # private to the process: its memory and what it has cost
    mailbox: Mailbox = field(default_factory=Mailbox)
    draft: Draft = EMPTY
    saying: list[str] | None = None  # while it generates: the text of the draft to come, in parts
    stdin: Pipe | None = None
    stdout: Pipe | None = None
    collected: str = ""  # of its stdin, until that is at its end
    written: int = 0  # characters of the draft that are in its stdout
    accounting: Accounting = field(default_factory=Accounting)

    # held by the kernel that steps it
    state: State = State.NEW
    waiting: Waiting = NOTHING
    exit: ExitInfo | None = None
    leaving: bool = False  # its end is being committed: it has no children any more
    touched: float = 0.0  # when it last made a step, on the loop's clock
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    continued: asyncio.Event = field(default_factory=asyncio.Event)
    child_ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    operation: asyncio.Future[Any] | None = None
    alarm: asyncio.TimerHandle | None = None  # for the next limit on time
    stop_breaks: bool = True  # may a STOP break the operation off, or does it wait for its end?

    @property
    def alive(self) -> bool:
        return self.exit is None

    @property
    def exit_status(self) -> int | None:
        return None if self.exit is None else self.exit.status

    @property
    def adopted(self) -> bool:
        """Did an agent make it that ended before it? Then the kernel reaps it."""
        return self.spawn_key is not None and not self.spawn_key.startswith(f"{self.parent}.")

    @property
    def has_pipes(self) -> bool:
        return self.stdin is not None or self.stdout is not None or bool(self.collected)

    @property
    def waits_for(self) -> str:
        return self.waiting.words

    @property
    def said(self) -> str:
        """What was shown so far of the answer that is not a page yet."""
        return self.draft.text if self.saying is None else "".join(self.saying)

    @property
    def tokens_left(self) -> float:
        """Before the budget is spent; below 0 by what the last engine step brought too much."""
        return math.inf if self.budget is None else self.budget - self.accounting.tokens

    def meant(self, pid: int) -> int:
        """The pid that the process means by `pid`: one that was restored speaks of old ones."""
        return pid if self.aliases is None else self.aliases.get(pid, pid)

    def call_key(self, call_id: str) -> str:
        """Names one call among all calls of all processes, the same after a crash."""
        image = f".{self.image}" if self.image else ""
        return f"{self.pid}{image}.{call_id}"

    # ---- signals --------------------------------------------------------------------------

    def deliver(self, signal: Signal) -> None:
        """Make a signal pending, or stop or continue, and break off what must be. The journal
        knows it already."""
        if signal is Signal.CONT:
            self.stopped = False
            self.continued.set()
        elif signal is Signal.STOP:
            self.stopped = True
            self.continued.clear()
            if self.stop_breaks:
                self._break_off()
        elif stronger(signal, self.pending):
            self.pending = signal
            self.wake_up()

    def wake_up(self) -> None:
        """Break off what is under way, or a stop: there is something to obey."""
        self.continued.set()
        self._break_off()

    def _break_off(self) -> None:
        if self.operation is not None:
            self.operation.cancel()

    def take_signal(self) -> Signal | None:
        signal, self.pending = self.pending, None
        return signal

    # ---- looking --------------------------------------------------------------------------

    @property
    def bounded(self) -> bool:
        """Is there anything that it could use up?"""
        return self.limits is not NO_LIMITS or self.budget is not None or bool(self.ending)

    def limits_reached(self, now: float, last_turn_s: float) -> list[tuple[str, bool]]:
        """(resource, is it the hard limit?) for all that is used up, `now` in Unix seconds. A
        soft limit is reached once; the last turn, which it gives, lasts `last_turn_s`."""
        reached = [one for one in self._exceeded(now) if one[1] or not self.ending]
        if self.ending and now - self.ending_since >= last_turn_s:
            reached.append(("time for the last turn", True))
        return reached

    def _exceeded(self, now: float) -> Iterator[tuple[str, bool]]:
        if self.budget is not None and self.tokens_left <= 0:
            yield "budget", True
        if self.limits is NO_LIMITS:
            return
        used = {
            "tokens": self.accounting.tokens,
            "syscalls": self.accounting.syscalls,
            "engine_s": self.accounting.engine_s,
            "wall_s": now - self.created,
            "pages": len(self.space),
        }
        for resource, amount in used.items():
            limit = self.limits.of(resource)
            if amount >= limit.hard:
                yield resource, True
            elif amount >= limit.soft:
                yield resource, False
