"""Mounts: MCP servers and HTTP services whose tools are syscalls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

MountState = Literal["asks", "starting", "up", "down"]
Standing = Literal["approved", "new", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Mounts:
    """→ `{"mounts": [MountInfo, …]}`, all of them or the one that is named (else ENOENT)."""

    name: str | None = None
    op: Literal["mounts"] = "mounts"


@dataclass(frozen=True, slots=True)
class ApproveMount:
    """→ `{"syscalls": ["files.read", …]}`: agree to what it offers, which comes into use; or, where
    a project brought it along, to its being run. Raises EAGAIN while it does not run."""

    name: str
    op: Literal["approve_mount"] = "approve_mount"


@dataclass(frozen=True, slots=True)
class MountedTool:
    """One syscall of a mount, as it is told now; `before` is the description that was agreed to,
    where it is another one."""

    name: str
    standing: Standing
    description: str
    parameters: dict[str, Any]
    before: str = ""
    parameters_before: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class MountInfo:
    """One mount. `what` is the command or the address, `error` why it or a part of it is not in
    use, `note` what else is to be known; `output` the last lines that it has printed."""

    name: str
    kind: str
    origin: str
    what: str
    state: MountState
    restarts: int
    tools: list[MountedTool]
    output: list[str]
    error: str = ""
    note: str = ""


MountRequest = Mounts | ApproveMount
