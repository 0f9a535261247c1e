"""llmos: an operating system for LLM agents.

What a plugin or a script imports from here is loaded when it is first asked for, so that the client
starts without it.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # type checkers take it for true; `typing` itself stays unloaded
if TYPE_CHECKING:
    from .scripting import sync as sync
    from .scripting.errors import NoKernel as NoKernel
    from .scripting.errors import OutputInvalid as OutputInvalid
    from .scripting.errors import ProcessFailed as ProcessFailed
    from .scripting.errors import SyscallFailed as SyscallFailed
    from .scripting.errors import TurnFailed as TurnFailed
    from .scripting.group import Group as Group
    from .scripting.kernel import connect as connect
    from .scripting.process import Exit as Exit
    from .scripting.process import Process as Process
    from .syscalls import errno as errno
    from .syscalls.context import AsyncContext as AsyncContext
    from .syscalls.context import Context as Context
    from .syscalls.decorator import syscall as syscall
    from .syscalls.errno import SyscallError as SyscallError
    from .syscalls.hooks import hookimpl as hookimpl

_LAZY = {
    "AsyncContext": "syscalls.context",
    "Context": "syscalls.context",
    "Exit": "scripting.process",
    "Group": "scripting.group",
    "NoKernel": "scripting.errors",
    "OutputInvalid": "scripting.errors",
    "Process": "scripting.process",
    "ProcessFailed": "scripting.errors",
    "SyscallError": "syscalls.errno",
    "SyscallFailed": "scripting.errors",
    "TurnFailed": "scripting.errors",
    "connect": "scripting.kernel",
    "errno": "syscalls.errno",
    "hookimpl": "syscalls.hooks",
    "sync": "scripting.sync",
    "syscall": "syscalls.decorator",
}
_MODULES = {"errno", "sync"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{_LAZY[name]}")
    return module if name in _MODULES else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
