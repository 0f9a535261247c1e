"""The scheduler, looked at and told by which policy to go; and why a process does not go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

WaitWord = Literal[
    "nothing",
    "engine",
    "message",
    "input",
    "pipe",
    "process",
    "syscall",
    "journal",
    "continue",
    "plugins",
]


@dataclass(frozen=True, slots=True)
class LookAtScheduler:
    """→ `SchedulerInfo`."""

    op: Literal["scheduler"] = "scheduler"


@dataclass(frozen=True, slots=True)
class UsePolicy:
    """→ `SchedulerInfo`: the kernel schedules by this policy from now on, until it halts. EINVAL if
    there is none of that name."""

    policy: str
    op: Literal["use_policy"] = "use_policy"


@dataclass(frozen=True, slots=True)
class ShareEngine:
    """→ `SchedulerInfo`: by policies that share the engine, a session has `weight` times what one
    has of which nothing was said, until the kernel halts; 1 takes that back. ESRCH if no live
    process is in the session, EINVAL for a weight outside of 0.01 to 100."""

    session: int
    weight: float
    op: Literal["share_engine"] = "share_engine"


@dataclass(frozen=True, slots=True)
class Why:
    """→ `WhyInfo`: what a process waits for, ESRCH if there never was one."""

    pid: int
    op: Literal["why"] = "why"


@dataclass(frozen=True, slots=True)
class LevelInfo:
    """Processes of one level of the policy, the lowest first: how many wait for the engine, the
    longest of them for how long, and how many run."""

    level: int
    waiting: int
    longest_s: float
    running: int


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """The engine's KV blocks as the kernel reckons with them: what runs has `running`, what comes
    back soon has `kept`, and prompts that begin alike share `shared`, in blocks of `tokens`.
    `free` is below 0 by what processes have needed more than was foreseen."""

    total: int
    tokens: int
    running: int
    kept: int
    shared: int
    free: int


@dataclass(frozen=True, slots=True)
class SchedulerInfo:
    """`policy` is one of `policies`; `fault` says why it is not the one that was asked for.
    `hit_rate` is the share of prompt tokens that the engine had in its prefix cache, since boot;
    `wait_s` what a new process would wait, foreseen from the pace of the last ones. `blocks` is
    None where the engine does not say what it has. `shares` are those of sessions that have another
    one than 1, by number."""

    policy: str
    policies: list[str]
    fault: str
    slots: int
    running: int
    waiting: int
    max_waiting: int
    wait_s: float
    hit_rate: float
    levels: list[LevelInfo] = field(default_factory=list)
    blocks: BlockInfo | None = None
    shares: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WhyInfo:
    """`sentences` for people, the nearest cause first; `waits_for` is one word for scripts."""

    pid: int
    state: str
    waits_for: WaitWord
    sentences: list[str]


SchedulingRequest = LookAtScheduler | UsePolicy | ShareEngine | Why
