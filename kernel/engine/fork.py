"""What a child that is forked from the kernel must drop.

vLLM forks its EngineCore from the running kernel (a spawned one would import for many seconds).
Such a child inherits the kernel's sockets and journal, and the file descriptor by which asyncio
hears of signals: a SIGTERM to the child would ring in the kernel, a client would never see the
kernel's end of a connection close, and an orphaned engine would hold the socket of a dead kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
from pathlib import Path

PR_SET_PDEATHSIG = 1
# Loaded before any fork: a child of a threaded process must not load libraries.
_LIBC = ctypes.CDLL(None, use_errno=True)


def guard_forks(state_dir: Path, socket_path: Path) -> None:
    """Make every later fork of this process drop what is the kernel's alone."""
    kernel_pid = os.getpid()

    def in_child() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != kernel_pid:
            os._exit(1)
        with contextlib.suppress(ValueError):
            signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _close_inherited(str(state_dir), str(socket_path))

    os.register_at_fork(after_in_child=in_child)


def _close_inherited(state_dir: str, socket_path: str) -> None:
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{fd}")
            if fd > 2 and (target.startswith(state_dir + "/") or _is_ours(fd, target, socket_path)):
                os.close(fd)


def _is_ours(fd: int, target: str, socket_path: str) -> bool:
    """Is this the listening socket or one of its connections?"""
    if not target.startswith("socket:"):
        return False
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as copy:
        return copy.family == socket.AF_UNIX and copy.getsockname() == socket_path
    return False
