"""All that `top` shows, of one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .results import EngineStatus, ProcessInfo
from .scheduling import BlockInfo, LevelInfo


@dataclass(frozen=True, slots=True)
class Top:
    """→ `TopInfo`. Cheap enough to be asked for once a second: what it takes grows with the number
    of processes, as with `ps`."""

    op: Literal["top"] = "top"


@dataclass(frozen=True, slots=True)
class TopRow(ProcessInfo):
    """A process, as `ps` has it and beyond: `syscall` is the call that it is in (several have
    commas between them), '' for none; `tokens_left` what is left of its budget, None without one;
    `kv_blocks` the blocks of the engine's KV cache that its sequence has now, shared ones included,
    None where the engine does not tell. Of its `pages`, `pages_evicted` have left the window."""

    syscall: str = ""
    tokens_left: int | None = None
    kv_blocks: int | None = None
    pages: int = 0
    pages_evicted: int = 0


@dataclass(frozen=True, slots=True)
class EngineTotals:
    """What the engine has done since boot, counted where its answers arrive and apart from what
    processes are charged: prompt tokens, those of them in its prefix cache, tokens generated,
    submissions."""

    tokens_in: int
    tokens_cached: int
    tokens_out: int
    requests: int


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """What is in the engine by its own report, a tenth of a second old at most: sequences that run
    and that wait in it, blocks of its KV cache in use, each once, and how many it has."""

    running: int
    waiting: int
    blocks_used: int
    blocks_total: int


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """The scheduler: `slots` of the engine, processes that have one and that wait for one, and both
    by level. `blocks` are KV blocks as the scheduler reckons with them, to the end of turns."""

    policy: str
    slots: int
    running: int
    waiting: int
    levels: list[LevelInfo] = field(default_factory=list)
    blocks: BlockInfo | None = None


@dataclass(frozen=True, slots=True)
class TopInfo:
    """Of one moment, `taken` in Unix seconds: rates are what two of them differ by. `memory_bytes`
    is what the kernel's process has in memory, without the engine's. `load` is None while there is
    no engine, or if it does not tell. `processes` holds a `TopRow` a process, by columns as `ps`
    does."""

    taken: float
    version: str
    os_pid: int
    uptime_s: float
    memory_bytes: int
    engine: EngineStatus
    totals: EngineTotals
    load: EngineLoad | None
    queue: QueueInfo
    processes: dict[str, Any] = field(default_factory=dict)
