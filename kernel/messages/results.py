"""What the kernel answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

EngineState = Literal["loading", "ready", "restarting", "failed"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has cost so far."""

    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    syscalls: int = 0
    engine_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A row of `ps`. `waits_for` says what a blocked process waits for, in words; `limits` are
    soft and hard, None where there is none; `budget` is what was granted, not what is left.
    Since boot, `faults` pages came back into its window, which was flushed `evictions` times; it is
    `thrashing` when what leaves is soon asked for again. `level` is its level in the run queue's
    policy, None before it has asked for the engine; `queued_s` since when it waits for the engine,
    and `blocks` what is held of the engine's KV blocks for it alone."""

    pid: int
    parent: int
    state: str
    program: str
    name: str
    interactive: bool
    created: float
    waits_for: str = ""
    exit_status: int | None = None
    usage: Usage = field(default_factory=Usage)
    group: int = 0
    session: int = 0
    nice: int = 0
    budget: int | None = None
    limits: dict[str, list[float | None]] = field(default_factory=dict)
    faults: int = 0
    evictions: int = 0
    thrashing: bool = False
    level: int | None = None
    queued_s: float = 0.0
    blocks: int = 0


@dataclass(frozen=True, slots=True)
class AttachInfo(ProcessInfo):
    """A row of `ps`, and what somebody who attaches has missed: `said` is what was shown of the
    answer that is being generated, `num_pages` how many pages there are before it (`logs` may list
    more by the time that it is asked). `watchers` are the connections that are attached to the
    process, this one included."""

    said: str = ""
    num_pages: int = 0
    watchers: int = 0


@dataclass(frozen=True, slots=True)
class ExitInfo:
    """How a process ended: 0, 1 failed, 65 answered in another form than asked, 130 INT, 137 KILL,
    141 PIPE, 143 TERM, 152 a limit; `output` is its answer."""

    pid: int
    status: int
    output: str
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class PageInfo:
    """One page of a conversation. `role` is the chat role; `calls` are syscalls it asks for."""

    vpn: int
    role: str
    text: str
    calls: list[dict[str, Any]]
    num_tokens: int
    resident: bool
    created: float


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One plugin. `error` is the true cause why it is not in use, with file and line; or ''.
    `offers` is what it brings beside syscalls, as `program acme.twice`."""

    name: str
    origin: str
    version: str
    syscalls: list[str]
    load_ms: float
    error: str = ""
    path: str = ""
    hooks: list[str] = field(default_factory=list)
    offers: list[str] = field(default_factory=list)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class SyscallInfo:
    """One syscall as its manual page tells it; `parameters` is the JSON schema."""

    name: str
    plugin: str
    summary: str
    description: str
    parameters: dict[str, Any]
    needs: str | None
    timeout_s: float
    effect: str
    source: str
    approve: bool = False
    max_output: int | None = None
    trusted_args: list[str] = field(default_factory=list)
    example: str = ""
    streams: bool = False


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """One of the servers that an engine elsewhere consists of: `down` with the reason in `detail`,
    or `resting` after it has failed or asked for that. `running` requests are on it now; the rest
    counts from the engine's start."""

    endpoint: str
    state: Literal["up", "resting", "down"]
    detail: str
    running: int
    requests: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The engine as a user sees it. `detail` says what it does at the moment, or why it failed.
    `servers` are those of a driver that has several or one elsewhere."""

    driver: str
    model: str
    state: EngineState
    detail: str
    elapsed_s: float
    running: int
    waiting: int
    tokens_per_s: float
    restarts: int = 0
    servers: list[ServerInfo] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """→ of `status`."""

    version: str
    os_pid: int
    state_dir: str
    uptime_s: float
    processes: int
    usage: Usage
    engine: EngineStatus


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An errno with words: `code` is its name, `hint` the way out; `retry_s` says in how many
    seconds to try again, if that can be foreseen."""

    code: str
    message: str
    hint: str = ""
    retry_s: int | None = None
