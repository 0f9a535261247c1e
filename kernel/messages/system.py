"""The kernel itself: its state, its plugins, its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Status:
    """→ `KernelStatus`."""

    op: Literal["status"] = "status"


@dataclass(frozen=True, slots=True)
class Plugins:
    """→ `{"plugins": [PluginInfo, …]}`."""

    op: Literal["plugins"] = "plugins"


@dataclass(frozen=True, slots=True)
class Syscalls:
    """→ `{"syscalls": [SyscallInfo, …]}`, all of them or the one that is named (else ENOSYS)."""

    name: str | None = None
    op: Literal["syscalls"] = "syscalls"


@dataclass(frozen=True, slots=True)
class Halt:
    """→ `{}`, then the kernel parks its processes and ends."""

    op: Literal["halt"] = "halt"
