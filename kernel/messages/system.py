"""The kernel itself: its state, its plugins, its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .gauges import Top


@dataclass(frozen=True, slots=True)
class Status:
    """→ `KernelStatus`."""

    op: Literal["status"] = "status"


@dataclass(frozen=True, slots=True)
class Plugins:
    """→ `{"plugins": [PluginInfo, …]}`."""

    op: Literal["plugins"] = "plugins"


@dataclass(frozen=True, slots=True)
class DecidePlugin:
    """→ `{"plugins": [PluginInfo, …]}`, when it is done; it holds for every boot to come.

    `enable` and `disable` take the name of a plugin. `alias` gives `value` as another name to the
    syscall `acme.grep`, or to the plugin of that origin (none takes it away). `approve` allows the
    calls of a syscall that wants to be approved."""

    action: Literal["enable", "disable", "alias", "approve"]
    name: str
    value: str = ""
    op: Literal["decide_plugin"] = "decide_plugin"


@dataclass(frozen=True, slots=True)
class Syscalls:
    """→ `{"syscalls": [SyscallInfo, …]}`, all of them or the one that is named (else ENOSYS)."""

    name: str | None = None
    op: Literal["syscalls"] = "syscalls"


@dataclass(frozen=True, slots=True)
class Halt:
    """→ `{}`, then the kernel parks its processes and ends."""

    op: Literal["halt"] = "halt"


SystemRequest = Status | Top | Plugins | DecidePlugin | Syscalls | Halt
