"""Supervisors and links: what is asked about processes that depend on each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
Restart = Literal["permanent", "transient", "temporary"]


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A child of a supervisor. A `permanent` one is restarted whatever its end, a `transient` one
    after a failure, a `temporary` one never. One run takes `timeout_s` at most; one that makes no
    step for `watchdog_s`, and waits for no message, is taken for hung and killed. When it must
    end it is told so (TERM), and killed after `shutdown_s` (None: never). The rest is as in
    `Spawn`; the `task` of a `supervisor` is its `Supervision`, as JSON text.

    It starts when the children named by `after` are ready: one that is interactive or permanent
    when it runs, any other when it has ended with 0. Those named by `reads` come before it, too,
    and what they said goes with its task."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}
    name: str
    task: str | None = None
    restart: Restart = "permanent"
    program: str = "agent"
    interactive: bool = False
    limits: dict[str, float | list[float | None]] = field(default_factory=dict)
    budget: int | None = None
    timeout_s: float | None = None
    watchdog_s: float | None = None
    shutdown_s: float | None = 5.0
    tools: list[str] | None = None
    nice: int | None = None
    after: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    output_schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Supervision:
    """What a supervisor is to do. `strategy` says who is restarted with a child that failed: it
    alone, all, or it and those after it. More than `max_restarts` within `window_s` are too many:
    the supervisor ends its children and fails."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}
    children: list[ChildSpec]
    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    window_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Supervise:
    """→ `{"pid": 4}`: a supervisor, which starts the children of `spec` in their order, as one
    process group with it, and restarts them. It ends with 0 when all of them have ended for good,
    with 1 when it gave up; its pages are its diary. The other fields are as in `Spawn`."""

    spec: Supervision
    root: str = "/"
    name: str | None = None
    attach: bool = False
    parent: int = 1
    limits: dict[str, float | list[float | None]] = field(default_factory=dict)
    budget: int | None = None
    op: Literal["supervise"] = "supervise"


@dataclass(frozen=True, slots=True)
class Link:
    """→ `{}`: two processes share their fate. When one ends with a status other than 0, the other
    gets TERM, and its output names the one that failed. An end with 0 only ends the link."""

    pid: int
    partner: int
    op: Literal["link"] = "link"


@dataclass(frozen=True, slots=True)
class Unlink:
    """→ `{}`, also when there was no link."""

    pid: int
    partner: int
    op: Literal["unlink"] = "unlink"


SupervisionRequest = Supervise | Link | Unlink
