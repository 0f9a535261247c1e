"""Syscalls: the decorator, the table, the one door, and the processes in which plugins run.

In the order of a call: `decorator` marks a function, `loader` makes a `Syscall` of it, `registry`
puts it into the `table`, `dispatch` is the door, `host` runs it in a `worker`.

What an author needs is here and loads no pydantic.
"""

from .context import Context, ExitRecord, KernelServices, MessageRecord, ProcessRecord
from .decorator import syscall
from .errno import LoadError, SyscallError

__all__ = [
    "Context",
    "ExitRecord",
    "KernelServices",
    "LoadError",
    "MessageRecord",
    "ProcessRecord",
    "SyscallError",
    "syscall",
]
