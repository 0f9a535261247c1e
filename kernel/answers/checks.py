"""What a client names, checked before anything is done with it."""

from __future__ import annotations

from pathlib import Path

from ...syscalls.errno import EINVAL, EPERM
from ..kernel import Kernel
from ..process import INIT_PID, Process


def subject(kernel: Kernel, pid: int) -> Process:
    """A process that something can be done to. Raises EPERM, ESRCH."""
    if pid == INIT_PID:
        raise EPERM("process 1 ends with the kernel", hint="llmos halt ends the kernel")
    return kernel.table.find(pid)


def absolute(what: str, text: str) -> Path:
    """Raises EINVAL."""
    path = Path(text)
    if not path.is_absolute():
        raise EINVAL(f"{what} {text!r} is not an absolute path")
    return path


def folder(root: str) -> Path:
    """A process's root, as a client names it. Raises EINVAL."""
    path = absolute("root", root)
    if not path.is_dir():
        raise EINVAL(f"root {root!r} is not a folder")
    return path
