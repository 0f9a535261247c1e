"""What a syscall is told about the process that calls it."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message that was received; `sender` is a pid, 0 for a client."""

    sender: int
    kind: str
    text: str


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

    async def wait_any(self, pids: Sequence[int] = ()) -> ExitRecord:
        """Wait until the first of some children, or of all, ends, and reap it."""
        ...

    async def fork(self, task: str | None = None) -> int:
        """A child with the caller's conversation; its pid. In the child the call's result is 0."""
        ...

    async def exec(self, task: str) -> None:
        """Begin anew with another task, in the same process. Does not return."""
        ...

    async def kill(self, pid: int) -> None: ...

    async def signal(self, pid: int, name: str, payload: str = "") -> None:
        """Send a signal by its name: STOP, CONT, INT, TERM, KILL, USR1 with a payload."""
        ...

    async def link(self, pid: int) -> None:
        """Share the fate of a process, from when the call's result is committed."""
        ...

    async def unlink(self, pid: int) -> None: ...

    async def send(self, pid: int, text: str) -> None:
        """Put a message into a process's mailbox, when the call's result is committed."""
        ...

    async def receive(
        self, sender: int | None = None, kind: str | None = None, timeout_s: float | None = None
    ) -> MessageRecord:
        """The oldest message that fits, waiting for it if need be. Raises ETIME, EDEADLK."""
        ...

    def processes(self) -> list[ProcessRecord]: ...

    async def select(
        self,
        pids: Sequence[int] = (),
        *,
        messages: bool = False,
        input: bool = False,
        timeout_s: float | None = None,
    ) -> str:
        """Which of several things is there first, in words."""
        ...

    def read_shared(self, name: str) -> tuple[str, int]:
        """Text and version of a shared page."""
        ...

    async def write_shared(
        self,
        name: str,
        text: str,
        version: int | None = None,
        readers: str | None = None,
        writers: str | None = None,
    ) -> int:
        """Write a shared page, if it still has that version; its new one."""
        ...

    def list_shared(self) -> list[str]:
        """The names of those that the caller may read."""
        ...

    async def remember(self, text: str) -> None: ...

    async def recall(self, query: str, when: str = "") -> list[str]:
        """Notes, and pages that have left the window, about something, the best match last;
        `when` as in `2026-05-08..2026-05-10`."""
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
