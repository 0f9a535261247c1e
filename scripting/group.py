"""A group: processes that end together, as the tasks of an `asyncio.TaskGroup` do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar, Unpack, overload

from .birth import bear
from .errors import ProcessFailed, ShellError
from .means import Means
from .process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from .link import Link

T = TypeVar("T")


class Group:
    """Made by `Kernel.group`. After the block, `results` are the outputs in the order of `spawn`;
    None of one that waited for messages, or was ended by its own `kill` or `terminate`."""

    def __init__(self, link: Link, timeout_s: float | None) -> None:
        self._link = link
        self._timeout_s = timeout_s
        self._members: list[Process[Any]] = []
        self._leaving = False
        self._tasks = asyncio.TaskGroup()
        self.results: list[Any] = []

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                try:
                    await self._dismiss()
                except BaseException as caught:  # a member may fail meanwhile
                    kind, error, trace = type(caught), caught, caught.__traceback__
            await self._tasks.__aexit__(kind, error, trace)
        finally:
            await self._end_all()

    @overload
    def spawn(
        self,
        prompt: str | None = None,
        context: str | None = None,
        *,
        interactive: bool | None = None,
        output: None = None,
        **means: Unpack[Means],
    ) -> Process[str]: ...
    @overload
    def spawn(
        self,
        prompt: str | None = None,
        context: str | None = None,
        *,
        interactive: bool | None = None,
        output: type[T],
        **means: Unpack[Means],
    ) -> Process[T]: ...

    def spawn(
        self,
        prompt: str | None = None,
        context: str | None = None,
        *,
        interactive: bool | None = None,
        output: Any = None,
        **means: Unpack[Means],
    ) -> Process[Any]:
        """As `Kernel.spawn`, without waiting for its birth (`await p.born()` does)."""
        talks = prompt is None if interactive is None else interactive
        process = self._process(prompt, context, talks, output, means)
        index = len(self._members)
        self._members.append(process)
        self.results.append(None)
        self._tasks.create_task(self._follow(index, process))
        return process

    def _process(
        self, prompt: str | None, context: str | None, talks: bool, output: Any, means: Means
    ) -> Process[Any]:
        if self._timeout_s is not None:
            wall = {"wall_s": self._timeout_s, **(means.get("limits") or {})}
            means = {**means, "limits": wall}
        return bear(
            self._link, prompt, context, interactive=talks, attach=True, output=output, **means
        )

    async def _follow(self, index: int, process: Process[Any]) -> None:
        """To its end. An end that is a failure ends the group."""
        ended = await process.wait()
        if process.interactive:
            if ended.status and not (self._leaving or process.was_told_to_end):
                raise ProcessFailed(ended.pid, ended.status, ended.output, ended.usage)
        elif not process.was_told_to_end:
            self.results[index] = await process.result()

    async def _dismiss(self) -> None:
        """Those that wait for messages are told that there will be none."""
        self._leaving = True
        for process in self._members:
            if process.interactive:
                with contextlib.suppress(ShellError):
                    await process.terminate()

    async def _end_all(self) -> None:
        """Nothing that was spawned here runs when the block is left."""
        running = [process for process in self._members if not process.has_ended]
        await asyncio.gather(*map(_ended, running), return_exceptions=True)


async def _ended(process: Process[Any]) -> None:
    await process.kill()
    await process.wait()
