"""A fleet: many agents with one task each, so many at a time, as one process group.

Who waits for the first of several is told of an end, and of nothing else: nobody looks at what they
say meanwhile, so the kernel need not tell it, and the engine need not stop at each token for it.
"""

from __future__ import annotations

import time

from .errors import Interrupted, KernelError, ShellError, TimedOut
from .following import EXIT_TIMEOUT, GRACE_S, status_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..kernel.messages import ExitInfo
    from .verb import Context

NEVER = float("inf")


class Item:
    """One piece of the work. `status` is None until it has ended; 1 without a `pid` when it could
    not begin."""

    __slots__ = (
        *("deadline", "error", "is_late", "kind", "name"),
        *("output", "pid", "status", "text", "usage"),
    )

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        self.text = self.output = ""
        self.pid: int | None = None
        self.status: int | None = None
        self.usage: Any = None
        self.error: ShellError | None = None
        self.deadline = NEVER
        self.is_late = False

    def fail(self, error: ShellError) -> None:
        self.status, self.error = 1, error

    def ended(self, info: ExitInfo) -> None:
        self.status = EXIT_TIMEOUT if self.is_late else info.status
        self.output, self.usage = info.output, info.usage
        if self.status:
            words = f"process {info.pid} exited with {status_text(self.status)}"
            failure = TimedOut if self.is_late else ShellError
            self.error = failure(words, f"llmos logs {info.pid} shows what it read and said")


class Fleet:
    """Runs the items in their order. `birth` is what `spawn` is asked for each, the item's text
    being added to its task."""

    def __init__(
        self,
        ctx: Context,
        items: Sequence[Item],
        birth: dict[str, Any],
        *,
        at_once: int,
        timeout_s: float | None,
    ) -> None:
        self._ctx = ctx
        self._birth = birth
        self._at_once = at_once
        self._timeout_s = timeout_s
        self._to_do = [item for item in items if item.status is None][::-1]
        self._running: dict[int, Item] = {}
        self._group: int | None = None
        self._begun = False

    @property
    def num_running(self) -> int:
        return len(self._running)

    async def fill(self) -> bool:
        """Starts as many as may run. False when all have ended."""
        while self._to_do and len(self._running) < self._at_once:
            if not await self._start(self._to_do[-1]):
                break
            self._to_do.pop()
        return bool(self._running or self._to_do)

    async def _start(self, item: Item) -> bool:
        """False when the kernel has no room until one of ours ends."""
        try:
            pid = await self._spawn(item)
        except ShellError as error:
            if error.code == "ESRCH" and self._group is not None:
                self._group = None  # all of it were reaped meanwhile: this one begins another
                return await self._start(item)
            if error.code == "EAGAIN" and self._running:
                return False
            if isinstance(error, KernelError) and (error.code == "EAGAIN" or not self._begun):
                raise  # so it would be with all of them
            item.fail(error)
            return True
        self._begun = True
        item.pid = pid
        self._running[pid] = item
        if self._group is None:
            self._group = pid
        if self._timeout_s is not None:
            item.deadline = time.monotonic() + self._timeout_s
        await self._ctx.begun(pid)
        return True

    async def _spawn(self, item: Item) -> int:
        task = "\n\n".join(part for part in (self._birth["task"], item.text) if part.strip())
        fields = {**self._birth, "task": task, "name": self._birth["name"] or item.name}
        born = await self._ctx.ask("spawn", **fields, group=self._group)
        return int(born.pid)

    async def wait(self) -> None:
        """For an end, or for somebody's time to be over."""
        if not self._running:
            return
        deadline = min(item.deadline for item in self._running.values())
        left_s = None if deadline == NEVER else max(deadline - time.monotonic(), 0.0)
        try:
            self._ended(await self._ctx.wait_any(tuple(self._running), left_s))
        except TimeoutError:
            await self._hurry()

    def _ended(self, info: ExitInfo) -> None:
        self._running.pop(info.pid).ended(info)

    async def _hurry(self) -> None:
        """Ends those whose time is over: gently, and then not."""
        now = time.monotonic()
        for pid, item in self._running.items():
            if item.deadline <= now:
                await self._kill(pid, "KILL" if item.is_late else "TERM")
                item.deadline = NEVER if item.is_late else now + GRACE_S
                item.is_late = True

    async def end(self) -> None:
        """Ends all that run, and begins no more. A second Ctrl-C kills them."""
        self._to_do.clear()
        signal, patience_s = "INT", GRACE_S
        while self._running:
            try:
                for pid in self._running:
                    await self._kill(pid, signal)
                deadline = time.monotonic() + patience_s
                while self._running:
                    left_s = max(deadline - time.monotonic(), 0.0)
                    self._ended(await self._ctx.wait_any(tuple(self._running), left_s))
            except (TimeoutError, Interrupted, KeyboardInterrupt):
                if signal == "KILL":
                    return
                signal = "KILL"

    async def _kill(self, pid: int, signal: str) -> None:
        try:
            await self._ctx.ask("kill", pid=pid, signal=signal)
        except KernelError as error:
            if error.code != "ESRCH":
                raise
