"""What the kernel does for built-in syscalls: the contract, a noun a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


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


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """A block of the caller's: characters that it has, and may have."""

    name: str
    size: int
    limit: int


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """An alarm of the caller's; `due` in Unix seconds, `cron` if it comes again."""

    number: int
    due: float
    cron: str
    text: str


class ProcessServices(Protocol):
    """`wait` raises ECHILD for a pid that is no child of the caller, `kill` ESRCH or EPERM."""

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

    async def set_nice(self, pid: int, nice: int) -> None:
        """Who is not interactive may let others go first, and never the other way round. Raises
        EINVAL, EPERM, ESRCH."""
        ...

    async def process_status(self, pid: int) -> str:
        """What there is to know of the caller, or of a process that it may signal, a line each.
        Raises EPERM, ESRCH."""
        ...

    def processes(self) -> list[ProcessRecord]: ...


class MessageServices(Protocol):
    async def send(self, pid: int, text: str) -> None:
        """Put a message into a process's mailbox, when the call's result is committed."""
        ...

    async def receive(
        self, sender: int | None = None, kind: str | None = None, timeout_s: float | None = None
    ) -> MessageRecord:
        """The oldest message that fits, waiting for it if need be. Raises ETIME, EDEADLK."""
        ...

    def waiting_messages(self) -> list[MessageRecord]:
        """Those that have not been received, the oldest first."""
        ...

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


class AlarmServices(Protocol):
    """Messages of the kind `alarm` to the caller, set when the call's result is committed."""

    def set_alarm(self, text: str, seconds: float) -> AlarmRecord:
        """Raises EAGAIN."""
        ...

    def repeat_alarm(self, text: str, cron: str) -> AlarmRecord:
        """Raises EAGAIN, EINVAL."""
        ...

    def list_alarms(self) -> list[AlarmRecord]:
        """The next first."""
        ...

    def cancel_alarm(self, alarm: int) -> None:
        """Raises ENOENT."""
        ...


class SharedServices(Protocol):
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


class MemoryServices(Protocol):
    """The caller's own pages, by number, and its blocks, by name."""

    async def page_in(self, page: int, start: int = 0, length: int | None = None) -> str:
        """A page of the caller's, or characters of it from `start` on, as a copy at the end of its
        window. Raises EINVAL, ENOENT."""
        ...

    async def pin(self, page: int) -> str:
        """Keep a page in the window from when the call's result is committed; one that has left
        comes back as a copy. What was done, in words. Raises ENOENT, ENOMEM."""
        ...

    async def unpin(self, page: int) -> None: ...

    async def forget(self, page: int) -> None:
        """Let a page leave before others, and be recalled no more. Raises ENOENT."""
        ...

    async def write_block(self, name: str, text: str) -> None:
        """Raises EFBIG, EINVAL, ENOMEM, ENOSPC."""
        ...

    async def edit_block(self, name: str, old: str, new: str) -> str:
        """Replace a text that stands in it once; the block's new text. Raises what `write_block`
        does, and ENOENT."""
        ...

    def read_block(self, name: str) -> str:
        """Raises ENOENT."""
        ...

    def list_blocks(self) -> list[BlockRecord]: ...

    async def delete_block(self, name: str) -> None:
        """Raises ENOENT."""
        ...


class NoteServices(Protocol):
    async def remember(self, text: str) -> None: ...

    async def recall(self, query: str, when: str = "") -> list[str]:
        """Notes, and pages that have left the window, about something, the best match last;
        `when` as in `2026-05-08..2026-05-10`."""
        ...

    async def search(self, query: str, scope: str = "", when: str = "") -> list[str]:
        """As `recall`, or in the knowledge base `scope`, or in `all` of it, with file and line.
        Raises EINVAL, ENOENT, EPERM."""
        ...


class CallServices(Protocol):
    """What a call tells those who watch its process, and what it asks of the model."""

    def progress(self, name: str, text: str) -> None:
        """How far the syscall of that name is."""
        ...

    def output(self, name: str, text: str) -> None:
        """A piece of its result."""
        ...

    async def ask(self, prompt: str, max_tokens: int) -> str:
        """What the model answers, asked by a child of the caller's that has no tools. Raises
        EAGAIN, EIO."""
        ...


class ProcServices(Protocol):
    """`/proc`, as far as the caller sees it: itself, and what is below it. Both raise ENOENT,
    EPERM, ESRCH."""

    async def read_proc(self, path: str) -> str:
        """Raises EISDIR."""
        ...

    async def list_proc(self, path: str) -> list[str]:
        """The names in a folder; those of folders end in a slash. Raises ENOTDIR."""
        ...


class KernelServices(
    CallServices,
    ProcessServices,
    MessageServices,
    AlarmServices,
    SharedServices,
    MemoryServices,
    NoteServices,
    ProcServices,
    Protocol,
):
    """What the kernel does for a built-in syscall, on behalf of the process that calls it.

    The kernel makes one for each call. Errors are those of `errno`.
    """
