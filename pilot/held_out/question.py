"""One question, and the world in which it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Category: TypeAlias = Literal["single", "talk", "multi_step", "unknown_tool"]

# What is known only when it runs.
PID: Final = "{pid}"  # of the helper, in a request, an argument or an answer


RESULT: Final = "{result}"
REPORT: Final = "{report}"
IDLE: Final = "idle"


@dataclass(frozen=True, slots=True)
class Call:
    """An expected syscall; every argument must be equal."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that is saved while the kernel runs."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Question:
    """``says`` must stand in the answer, capitals aside. There and in arguments ``RESULT`` means
    the result of the call before, ``REPORT`` what a helper answered.

    The world: ``files`` in the root folder, path to text; ``notes`` remembered before; ``helper``
    the task of a child that has ended before the request comes, or ``IDLE`` for one that lives.
    """

    category: Category
    intent: str
    request: str
    calls: tuple[Call, ...] = ()
    says: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    helper: str = ""
    plugin: Plugin | None = None
