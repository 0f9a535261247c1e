"""What became of each process in a trace: its generations, and what was between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .reading import Trace


@dataclass(slots=True)
class Generation:
    """From the wait for a slot to the end of it, in seconds of the trace; None for what did not
    come, or was not seen."""

    asked: float
    head: int
    head_tokens: int
    interactive: bool
    admitted: float | None = None
    first: float | None = None
    left: float | None = None
    withdrawn: float | None = None
    tokens_in: int = 0
    tokens_cached: int = 0
    draft_tokens: int = 0
    tokens_out: int = 0
    answer_tokens: int | None = None

    @property
    def ran(self) -> bool:
        """From its first token to its end, before our eyes."""
        return self.first is not None and self.left is not None and self.tokens_out > 0


@dataclass(slots=True)
class Between:
    """Two generations. `name` is that of a syscall or what else was waited for, '' when there was
    nothing to do."""

    name: str
    since: float
    until: float | None = None


@dataclass(slots=True)
class Life:
    pid: int
    born: dict[str, Any]
    generations: list[Generation] = field(default_factory=list)
    betweens: list[Between] = field(default_factory=list)
    flushes: list[tuple[float, int]] = field(default_factory=list)
    drops: list[tuple[float, int]] = field(default_factory=list)
    forked: dict[str, Any] | None = None
    ended: float | None = None

    @property
    def label(self) -> str:
        return f"{self.pid} {self.born.get('name', '')}".strip()


def lives(trace: Trace) -> list[Life]:
    """In the order in which they were first seen."""
    found: dict[int, Life] = {}
    for event in trace.events:
        kind, pid = event["e"], event.get("pid", 0)
        if kind == "process":
            found[pid] = Life(pid, event)
        elif pid in found:
            _tell(found[pid], kind, event)
    return list(found.values())


def ran(life: Life) -> Iterator[Generation]:
    return (one for one in life.generations if one.ran)


def _tell(life: Life, kind: str, event: dict[str, Any]) -> None:
    when = event["t"]
    latest = life.generations[-1] if life.generations else None
    match kind:
        case "ask":
            _close(life, when)
            life.generations.append(
                Generation(when, event["head"], event["head_tokens"], event["interactive"])
            )
        case "gap" | "idle":
            _close(life, when)
            life.betweens.append(Between(event.get("name", ""), when))
        case "flush":
            life.flushes.append((when, event["tokens"]))
        case "drop":
            life.drops.append((when, event["blocks"]))
        case "fork":
            life.forked = event
        case "end":
            _close(life, when)
            life.ended = when
        case "withdraw" if latest:
            latest.withdrawn = when
        case "admit" if latest:
            latest.admitted = when
        case "first" if latest:
            latest.first = when
            latest.tokens_in, latest.tokens_cached = event["in"], event["cached"]
            latest.draft_tokens = event["draft"]
        case "leave" if latest:
            latest.left = when
            latest.tokens_out, latest.answer_tokens = event["out"], event["answer"]


def _close(life: Life, when: float) -> None:
    if life.betweens and life.betweens[-1].until is None:
        life.betweens[-1].until = when
