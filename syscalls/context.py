"""What a syscall is told about the process that calls it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .errno import ENOSYS


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How a process ended."""

    pid: int
    status: int
    output: str


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A line of the process list."""

    pid: int
    state: str
    name: str


class KernelServices(Protocol):
    """What the kernel does for a built-in syscall, on behalf of the process that calls it.

    The kernel makes one for each call. Errors are those of `errno`: `wait` raises ECHILD for a
    pid that is no child of the caller, `kill` raises ESRCH or EPERM.
    """

    async def spawn(self, task: str) -> int:
        """Start a child of the caller, in the caller's folder; its pid."""
        ...

    async def wait(self, pid: int) -> ExitRecord:
        """Wait until a child ends, and reap it."""
        ...

    async def kill(self, pid: int) -> None: ...

    def processes(self) -> list[ProcessRecord]: ...

    async def remember(self, text: str) -> None: ...

    async def recall(self, query: str) -> list[str]:
        """The notes about something, the newest last."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """One call, as the called function sees it: a parameter `ctx: Context` receives it.

    `root` is the folder that the process may see; a `def` runs with it as its current folder.
    `call_id` is the same when the kernel repeats an idempotent call after a crash. `kernel` is
    there for built-in `async def` syscalls alone.
    """

    pid: int
    call_id: str
    root: Path
    kernel: KernelServices | None = None

    @property
    def services(self) -> KernelServices:
        """`kernel`, for those who cannot do without."""
        if self.kernel is None:
            raise ENOSYS("only a syscall that runs inside the kernel can do this")
        return self.kernel
