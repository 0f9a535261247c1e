"""What a syscall is told about the process that calls it, and what it may ask of the kernel.

A parameter `ctx: Context` of a `def`, or `ctx: AsyncContext` of an `async def`, receives it; what
waits is called in the one and awaited in the other. A function that is called by itself, in a test,
may be given one without a line: it can do all but what only a kernel can.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .errno import ENOSYS
from .files import Files
from .services import ExitRecord, KernelServices


class Line(Protocol):
    """From a call to the kernel; there is one as long as the call runs."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that the syscall has declared."""
        ...

    @property
    def cancelled(self) -> bool: ...

    def tell(self, what: str, text: str) -> None:
        """Progress, or a piece of the result. Waits for nothing."""
        ...

    def ask(self, what: str, **arguments: object) -> Any:
        """Ask, and wait without letting anything else run. Raises SyscallError."""
        ...

    async def ask_async(self, what: str, **arguments: object) -> Any:
        """Raises SyscallError."""
        ...


@dataclass(frozen=True, slots=True)
class AnyContext:
    """One call, as the called function sees it, whether it waits or awaits.

    `root` is the folder that the process may see; a `def` runs with it as its current folder.
    `call_id` is the same when the kernel repeats an idempotent call after a crash. `kernel` is
    there for built-in `async def` syscalls alone.
    """

    pid: int
    call_id: str
    root: Path
    kernel: KernelServices | None = None
    line: Line | None = None

    @property
    def services(self) -> KernelServices:
        """`kernel`, for those who cannot do without."""
        if self.kernel is None:
            raise ENOSYS("only a syscall that runs inside the kernel can do this")
        return self.kernel

    @property
    def files(self) -> Files:
        """The files of the process, in its folder: those that the syscall needs by `fs.read`, and
        by `fs.write`."""
        return Files(self.root, None if self.line is None else self.line.needs)

    @property
    def cancelled(self) -> bool:
        """Should the call end, because its time is over or nobody waits for it any more? A `def`
        that looks at it has a second to end by itself before it is ended."""
        return self.line is not None and self.line.cancelled

    def progress(self, text: str, done: float | None = None) -> None:
        """Tell whoever watches how far it is, `done` from 0 to 1. It is no part of the result."""
        if self.line is not None:
            share = "" if done is None else f"{min(max(done, 0.0), 1.0):.0%} "
            self.line.tell("progress", f"{share}{text}")

    def _line(self) -> Line:
        if self.line is None:
            raise ENOSYS("only a call that comes through a kernel can do this")
        return self.line


@dataclass(frozen=True, slots=True)
class Context(AnyContext):
    """For a `def`: what is asked of the kernel is there when the method returns."""

    def spawn(self, task: str) -> int:
        """Start an agent, a child of the calling process; its pid. Needs `proc.spawn`."""
        pid: int = self._line().ask("spawn", task=task)
        return pid

    def wait(self, pid: int) -> ExitRecord:
        """Wait until a child ends, and reap it."""
        return ExitRecord(**self._line().ask("wait", pid=pid))

    def ask(self, prompt: str, max_tokens: int = 1000) -> str:
        """Ask the model something, beside the conversation of the process, at the cost of its
        tokens. Needs `proc.spawn`."""
        text: str = self._line().ask("ask", prompt=prompt, max_tokens=max_tokens)
        return text

    def secret(self, name: str) -> str:
        """A secret that the user has given to this plugin. Needs `secret:NAME`."""
        text: str = self._line().ask("secret", name=name)
        return text

    def read_proc(self, path: str) -> str:
        """A file of `/proc`, of the calling process (`/proc/self/usage`) or of one below it. Needs
        `proc.read`."""
        text: str = self._line().ask("read_proc", path=path)
        return text

    def list_proc(self, path: str) -> list[str]:
        """The names in a folder of `/proc`. Needs `proc.read`."""
        names: list[str] = self._line().ask("list_proc", path=path)
        return names


@dataclass(frozen=True, slots=True)
class AsyncContext(AnyContext):
    """For an `async def`: what is asked of the kernel is awaited."""

    async def spawn(self, task: str) -> int:
        """Start an agent, a child of the calling process; its pid. Needs `proc.spawn`."""
        pid: int = await self._line().ask_async("spawn", task=task)
        return pid

    async def wait(self, pid: int) -> ExitRecord:
        """Wait until a child ends, and reap it."""
        return ExitRecord(**await self._line().ask_async("wait", pid=pid))

    async def ask(self, prompt: str, max_tokens: int = 1000) -> str:
        """Ask the model something, beside the conversation of the process, at the cost of its
        tokens. Needs `proc.spawn`."""
        text: str = await self._line().ask_async("ask", prompt=prompt, max_tokens=max_tokens)
        return text

    async def secret(self, name: str) -> str:
        """A secret that the user has given to this plugin. Needs `secret:NAME`."""
        text: str = await self._line().ask_async("secret", name=name)
        return text

    async def read_proc(self, path: str) -> str:
        """A file of `/proc`, of the calling process (`/proc/self/usage`) or of one below it. Needs
        `proc.read`."""
        text: str = await self._line().ask_async("read_proc", path=path)
        return text

    async def list_proc(self, path: str) -> list[str]:
        """The names in a folder of `/proc`. Needs `proc.read`."""
        names: list[str] = await self._line().ask_async("list_proc", path=path)
        return names


def as_context(kind: type[AnyContext], ctx: AnyContext) -> AnyContext:
    """The same call, for a function that takes this kind of context."""
    if type(ctx) is kind:
        return ctx
    return kind(ctx.pid, ctx.call_id, ctx.root, ctx.kernel, ctx.line)
