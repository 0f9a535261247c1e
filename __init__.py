"""llmos: an operating system for LLM agents.

What a plugin imports from here is loaded when it is first asked for, so that the client starts
without it.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # type checkers take it for true; `typing` itself stays unloaded
if TYPE_CHECKING:
    from .syscalls import errno as errno
    from .syscalls.context import AsyncContext as AsyncContext
    from .syscalls.context import Context as Context
    from .syscalls.decorator import syscall as syscall
    from .syscalls.errno import SyscallError as SyscallError
    from .syscalls.hooks import hookimpl as hookimpl

_LAZY = {
    "AsyncContext": "context",
    "Context": "context",
    "SyscallError": "errno",
    "errno": "",
    "hookimpl": "hooks",
    "syscall": "decorator",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.syscalls.{_LAZY[name] or name}")
    return getattr(module, name) if _LAZY[name] else module


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
