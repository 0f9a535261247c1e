"""A group whose members are started anew when they fail, by a supervisor of the kernel.

The members start together, as its children: when the first of them is awaited, or when the block
ends. What becomes of them the supervisor tells as it happens (`Child` of `kernel/messages`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Literal, TypeVar

from . import structured
from .birth import task_of
from .errors import ProcessFailed, ShellError
from .group import Group
from .means import Means, asked
from .process import Exit, Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .link import Link

Restart = Literal["on-failure", "always"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]

T = TypeVar("T")

_WORDS: dict[Restart, str] = {"on-failure": "transient", "always": "permanent"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}")


class Member(Process[T]):
    """A process that may be started anew: `pid` is that of its newest run, and its end that of the
    last one. What was asked of a run that failed is lost; the next one can be asked again."""

    def __init__(
        self, link: Link, start: Callable[[], Awaitable[None]], interactive: bool, output: Any
    ) -> None:
        self._start = start
        self._runs: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._last: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        super().__init__(link, self._runs, interactive=interactive, output=output)

    async def born(self) -> int:
        await self._start()
        return await super().born()

    async def wait(self, timeout: float | None = None) -> Exit:
        await self._start()
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._last)

    async def runs_as(self, pid: int) -> None:
        """It was started, for the first time or anew."""
        with contextlib.suppress(ShellError):  # it may have ended already
            await self._link.ask("attach", pid=pid)
        self._link.listen(pid, self._heard)
        self._pid = pid
        if not self._runs.done():
            self._runs.set_result(pid)

    def ended(self, exited: Exit) -> None:
        """For good."""
        if not self._last.done():
            self._last.set_result(self._ended(exited))
        if not self._runs.done():
            self._runs.set_exception(
                ProcessFailed(exited.pid, exited.status, exited.output, exited.usage)
            )
            self._runs.exception()
        self._end_streams()

    def _gone(self, event: Any) -> None:
        self._end_turns(ProcessFailed(event.pid, event.status, event.output, None))


class SupervisedGroup(Group):
    """Made by `Kernel.group(restart)`."""

    def __init__(
        self,
        link: Link,
        timeout_s: float | None,
        *,
        restart: Restart,
        strategy: Strategy,
        max_restarts: int,
        window_s: float,
        name: str | None,
    ) -> None:
        super().__init__(link, timeout_s)
        if restart not in _WORDS:
            raise ValueError(f"restart: {restart!r} is not 'on-failure' or 'always'")
        self._restart = _WORDS[restart]
        self._spec: dict[str, Any] = {
            "strategy": strategy,
            "max_restarts": max_restarts,
            "window_s": window_s,
            "children": [],
        }
        self._name = name
        self._by_name: dict[str, Member[Any]] = {}
        self._supervisor: int | None = None
        self._starting = asyncio.Lock()
        self._over = asyncio.get_running_loop().create_future()
        self._news: set[asyncio.Task[None]] = set()

    def _process(
        self, prompt: str | None, context: str | None, talks: bool, output: Any, means: Means
    ) -> Process[Any]:
        if self._supervisor is not None:
            raise RuntimeError("the supervisor has started: spawn all members before awaiting one")
        if means.get("root") is not None:
            raise ValueError("root: the members of a supervised group see that of the connection")
        name = means.get("name") or f"member-{len(self._by_name) + 1}"
        if name in self._by_name or not _NAME.fullmatch(name):
            raise ValueError(
                f"name: {name!r} is taken, or is none (letters, digits, '_', '.', '-')"
            )
        child = asked(means, self._link.root)
        del child["root"]
        self._spec["children"].append(
            {
                **child,
                "name": name,
                "task": task_of(prompt, context),
                "interactive": talks,
                "restart": self._restart,
                "timeout_s": self._timeout_s,
                "shutdown_s": 0,
                "output_schema": structured.schema_of(output),
            }
        )
        member = self._by_name[name] = Member(self._link, self._start, talks, output)
        return member

    async def _start(self) -> None:
        async with self._starting:
            if self._supervisor is None:
                born = await self._link.ask(
                    "supervise",
                    spec=self._spec,
                    root=self._link.root,
                    name=self._name,
                    attach=True,
                    parent=await self._link.parent(),
                )
                self._supervisor = int(born.pid)
                self._link.listen(self._supervisor, self._heard)

    def _heard(self, event: Any) -> None:
        if event is None:
            self._give_up(0, 1, "the kernel closed the connection")
        elif event.event == "exit":
            self._give_up(event.pid, event.status, event.output)
        elif event.event == "child":
            member = self._by_name[event.name]
            if event.exit is None:
                news = asyncio.ensure_future(member.runs_as(event.child))
                self._news.add(news)
                news.add_done_callback(self._news.discard)
            elif event.done:
                end = event.exit
                member.ended(Exit(end.pid, end.status, end.output, end.usage))

    def _give_up(self, pid: int, status: int, words: str) -> None:
        """The supervisor has ended, and with it those that had not ended for good."""
        if not self._over.done():
            self._over.set_result(Exit(pid, status, words, None))
        for member in self._members:
            if not member.has_ended:
                assert isinstance(member, Member)
                member.ended(Exit(pid, status, words, None))

    async def _follow(self, index: int, process: Process[Any]) -> None:
        """A member's failure is the supervisor's to judge."""
        ended = await process.wait()
        if not ended.status and not process.interactive:
            self.results[index] = await process.result()

    async def _dismiss(self) -> None:
        self._leaving = True
        if not self._members:
            return
        await self._start()
        self._tasks.create_task(self._judge())
        tasks = [member for member in self._members if not member.interactive]
        await asyncio.gather(*(member.wait() for member in tasks))
        if len(tasks) < len(self._members) and not self._over.done():
            assert self._supervisor is not None
            await self._link.ask("kill", pid=self._supervisor, signal="TERM")
            self._told = True

    _told = False

    async def _judge(self) -> None:
        ended: Exit = await self._over
        if ended.status and not self._told:
            raise ProcessFailed(ended.pid, ended.status, ended.output, ended.usage)

    async def _end_all(self) -> None:
        if self._supervisor is not None and not self._over.done():
            with contextlib.suppress(ShellError):
                await self._link.ask("kill", pid=self._supervisor, signal="TERM")
                await self._over
        if self._supervisor is not None:
            with contextlib.suppress(ShellError):
                await self._link.wait(self._supervisor)  # nobody else asks how it ended
