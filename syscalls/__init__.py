"""Syscalls: the decorator, the table, the one door, and the processes in which plugins run.

In the order of a call: `decorator` marks a function, `loader` makes a `Syscall` of it, `registry`
puts it into the `table`, `dispatch` is the door, `host` runs it in a `worker`.

What an author needs is here and loads no pydantic.
"""

from .context import AsyncContext, Context
from .decorator import syscall
from .errno import LoadError, SyscallError
from .services import (
    AlarmRecord,
    BlockRecord,
    ExitRecord,
    KernelServices,
    MessageRecord,
    ProcessRecord,
)

__all__ = [
    "AlarmRecord",
    "AsyncContext",
    "BlockRecord",
    "Context",
    "ExitRecord",
    "KernelServices",
    "LoadError",
    "MessageRecord",
    "ProcessRecord",
    "SyscallError",
    "syscall",
]
