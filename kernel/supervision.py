"""Supervision: what a supervisor does next, as functions over a small immutable state.

After the `supervisor` behaviour of Erlang/OTP (design principles, chapter 5): children start in
order, a child that fails is restarted alone, with all, or with those after it, which end first and
in reverse order; too many restarts within a window, and the supervisor ends its children and
fails, so that whoever stands above it can do better.

Nothing here knows a clock, a journal or a process. The state is a fold of `happened` over what has
happened (`diary.py`), and `next_action` follows from the state alone.

Two things differ from OTP. A start that is refused counts as a failure of the child from the first
one on, where OTP gives up at once if it is the first: what refuses here (a limit on processes, a
budget) often passes. And a transient child that ends with 0 while it is told to end stays ended:
its work is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .messages import ChildSpec, Supervision
from .process import EXIT_FAILED, EXIT_OK


@dataclass(frozen=True, slots=True)
class Child:
    """How one child stands. Neither running nor done: it is to be started."""

    pid: int = 0  # 0: it does not run
    done: bool = False  # for good
    leaving: bool = False  # it is to end, and nothing starts before
    failed: bool = False  # its last end was no success
    last: int = 0  # the pid of its last run that has ended


@dataclass(frozen=True, slots=True)
class Verdict:
    """The supervisor's own end, as soon as its children have ended."""

    status: int
    words: str


@dataclass(frozen=True, slots=True)
class State:
    """`children` in the order of the specification; `recent` are the times of the restarts that
    may still count, in Unix seconds."""

    children: tuple[Child, ...]
    recent: tuple[float, ...] = ()
    restarts: int = 0
    verdict: Verdict | None = None

    @property
    def num_running(self) -> int:
        return sum(child.pid > 0 for child in self.children)


def beginning(spec: Supervision) -> State:
    return State((Child(),) * len(spec.children))


# ---- what happens -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The kernel refused to; `words` are its reason."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Exited:
    """`output` is the beginning of what it said."""

    name: str
    pid: int
    status: int
    output: str = ""


@dataclass(frozen=True, slots=True)
class Hung:
    """It made no step for so long, and is killed; its end comes by itself."""

    name: str
    pid: int
    idle_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """The supervisor is to end, by a signal of that name and exit status."""

    signal: str
    status: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that happened before, in short."""

    state: State


Event = Started | NotStarted | Exited | Hung | Told | Snapshot


def happened(spec: Supervision, state: State, event: Event, at: float) -> State:
    """The state after an event, which was at `at` in Unix seconds."""
    match event:
        case Started(name, pid):
            index = position(spec, name)
            return _with(state, index, Child(pid, last=state.children[index].last))
        case NotStarted(name, words):
            why = f"{name} could not be started: {words}"
            return _ended(spec, state, position(spec, name), EXIT_FAILED, why, at)
        case Exited(name, pid, status, output):
            why = f"{name} (pid {pid}) exited with status {status}"
            why += f": {output}" if output else ""
            return _ended(spec, state, position(spec, name), status, why, at)
        case Told(signal, status):
            return _condemned(state, Verdict(status, f"told to end by {signal}"))
        case Snapshot(earlier):
            return earlier
    return state


def renamed(state: State, meant: Callable[[int], int]) -> State:
    """With the pids that restored processes have now, for those that they had."""
    children = tuple(
        replace(
            child,
            pid=meant(child.pid) if child.pid else 0,
            last=meant(child.last) if child.last else 0,
        )
        for child in state.children
    )
    return replace(state, children=children)


def _ended(spec: Supervision, state: State, index: int, status: int, why: str, at: float) -> State:
    child = spec.children[index]
    before = state.children[index]
    told = before.leaving
    again = child.restart != "temporary" and not (
        child.restart == "transient" and status == EXIT_OK
    )
    failed = status != EXIT_OK
    state = _with(
        state, index, Child(done=not again, failed=failed, last=before.pid or before.last)
    )
    if not again or told or state.verdict is not None:
        return state
    recent = tuple(time for time in state.recent if at - time <= spec.window_s)
    if len(recent) >= spec.max_restarts:
        words = (
            f"gave up on {child.name} after {len(recent)} restarts within {spec.window_s:g} s,"
            f" which is the limit: {why}"
        )
        return _condemned(state, Verdict(EXIT_FAILED, words))
    state = replace(state, recent=(*recent, at), restarts=state.restarts + 1)
    match spec.strategy:
        case "one_for_all":
            return _leaving(state, 0)
        case "rest_for_one":
            return _leaving(state, index)
    return state


def _condemned(state: State, verdict: Verdict) -> State:
    return _leaving(replace(state, verdict=verdict), 0)


def _leaving(state: State, first: int) -> State:
    """Those that run, from `first` on, are to end."""
    children = (
        replace(child, leaving=True) if child.pid and index >= first else child
        for index, child in enumerate(state.children)
    )
    return replace(state, children=tuple(children))


def _with(state: State, index: int, child: Child) -> State:
    children = (*state.children[:index], child, *state.children[index + 1 :])
    return replace(state, children=children)


# ---- what comes next ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    child: ChildSpec


@dataclass(frozen=True, slots=True)
class End:
    """Tell this child to end, or wait until it has."""

    child: ChildSpec
    pid: int


@dataclass(frozen=True, slots=True)
class Exit:
    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait for the end of any."""


Action = Start | End | Exit | Watch


def next_action(spec: Supervision, state: State) -> Action:
    """One at a time: children end in reverse order, and start in order when all of these have."""
    both = list(zip(spec.children, state.children, strict=True))
    for child_spec, child in reversed(both):
        if child.leaving:
            return End(child_spec, child.pid)
    if state.verdict is not None:
        return Exit(state.verdict.status, state.verdict.words)
    for child_spec, child in both:
        if not child.pid and not child.done and _is_due(spec, state, child_spec):
            return Start(child_spec)
    if not state.num_running:
        never = [child_spec.name for child_spec, child in both if not child.done]
        if never:
            failed = [child_spec.name for child_spec, child in both if child.failed]
            words = f"{', '.join(never)} never started: {', '.join(failed)} failed"
            return Exit(EXIT_FAILED, words)
        children = counted(len(both), "child", "children")
        return Exit(EXIT_OK, f"{children} ended for good, {in_words(state)}")
    return Watch()


def _is_due(spec: Supervision, state: State, child: ChildSpec) -> bool:
    """Are those ready that it comes after?"""
    return all(_is_ready(spec, state, name) for name in (*child.after, *child.reads))


def _is_ready(spec: Supervision, state: State, name: str) -> bool:
    index = position(spec, name)
    child = state.children[index]
    if serves(spec.children[index]):
        return child.pid > 0
    return child.done and not child.failed


# ---- looking ------------------------------------------------------------------------------


def serves(child: ChildSpec) -> bool:
    """Does it go on, rather than come to an end with something to show?"""
    return child.interactive or child.restart == "permanent"


def position(spec: Supervision, name: str) -> int:
    return next(index for index, child in enumerate(spec.children) if child.name == name)


def name_of(spec: Supervision, state: State, pid: int) -> str | None:
    """The child that runs as `pid`, if it is one."""
    for child_spec, child in zip(spec.children, state.children, strict=True):
        if child.pid == pid:
            return child_spec.name
    return None


def in_words(state: State) -> str:
    return counted(state.restarts, "restart", "restarts")


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
