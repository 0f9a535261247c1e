"""What a verb gets in the interactive shell.

It has a connection of its own: closing it cancels what the verb still waits for, and the events
of its processes are apart from the conversation's.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from ..async_client import AsyncClient
from ..errors import Interrupted, NoKernel, ShellError, Suspended
from ..live.paper import is_rendered
from ..parentage import below
from ..paths import Paths
from ..verb import Context, Outcome
from .stage import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any, Protocol

    from ...kernel.messages import ExitInfo, ProcessInfo
    from ..job import Job
    from ..live.folds import Folds
    from ..output import Output
    from ..turn import TurnView
    from .conversation import Conversation
    from .job_table import Jobs
    from .stage import Stage

    class Session(Protocol):
        """The shell, as far as verbs need it."""

        paths: Paths
        parent: int
        """Whose children are what is started, where nothing else is said."""
        jobs: Jobs
        conversation: Conversation
        stage: Stage
        folds: Folds

        def start(self, coroutine: Any) -> None: ...

        async def with_terminal(self, command: list[str]) -> int: ...


class Leave(Exception):
    """The user has typed exit."""


class InSession(Context):
    """The context of a verb in the interactive shell. With `shows_turn` the conversation goes on
    in the foreground when the verb is over."""

    in_session = True

    def __init__(
        self, session: Session, args: argparse.Namespace, rest: list[str], out: Output
    ) -> None:
        own = args.state_dir
        super().__init__(args, rest, out, Paths(own) if own else session.paths)
        self.shows_turn = False
        self.partner = session.conversation.pid
        self.session = session
        self._events: dict[int, asyncio.Queue[Any]] = {}
        self._waits: dict[int, asyncio.Future[Any]] = {}
        self._suspending = False
        self._lost = False
        self._in_front = contextlib.ExitStack()
        self._client = AsyncClient(self.paths.socket, self._on_event, self._on_lost)

    # ---- the kernel -----------------------------------------------------------------------

    async def ask(self, op: str, **fields: Any) -> Any:
        try:
            fields = below(self.session.parent, op, fields)
            return await self._client.ask(op, **fields)
        except Interrupted:
            raise self.why() from None

    async def event(self, pid: int, timeout_s: float | None = None) -> Any:
        if self._lost:
            raise NoKernel("the kernel closed the connection")
        try:
            event = await asyncio.wait_for(self._of(pid).get(), timeout_s)
        except asyncio.CancelledError:
            raise self.why() from None
        if event is None:
            raise NoKernel("the kernel closed the connection")
        return event

    async def wait_any(self, pids: Sequence[int], timeout_s: float | None = None) -> ExitInfo:
        for pid in pids:
            if pid not in self._waits:
                self._waits[pid] = asyncio.ensure_future(self._client.ask("wait", pid=pid))
        waits = [self._waits[pid] for pid in pids]
        try:
            done, _ = await asyncio.wait(
                waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            raise self.why() from None
        for pid in pids:
            if self._waits[pid] in done:
                info: ExitInfo = self._waits.pop(pid).result()
                return info
        raise TimeoutError

    async def sleep(self, duration_s: float) -> None:
        try:
            await asyncio.sleep(duration_s)
        except asyncio.CancelledError:
            raise self.why() from None

    def suspend(self) -> None:
        """What is cancelled next is so by Ctrl-Z."""
        self._suspending = True

    def close(self) -> None:
        self._in_front.close()
        self._client.close()

    def live_view(self, *, tells: bool) -> TurnView | None:
        if not is_rendered(sys.stdout):
            return None
        from ..live.view import LiveView

        place = Place(self.session.stage)
        self._in_front.enter_context(self.session.stage.in_front(place))
        return LiveView(place, self.session.folds, tells=tells)

    def unfold(self, number: int) -> str | None:
        return self.session.folds.newest(number)

    # ---- the session ----------------------------------------------------------------------

    async def enter(self, pid: int | None, *, own: bool = False) -> Outcome:
        if pid is not None:
            await self._talk_to(pid)
            self.session.conversation.is_own(own)
            self.shows_turn = self.session.conversation.is_speaking
        return Outcome({"pid": pid})

    async def with_terminal(self, command: list[str]) -> int:
        return await self.session.with_terminal(command)

    async def leave(self) -> Outcome:
        raise Leave

    async def watch(self, pid: int, name: str) -> int:
        if self.paths is not self.session.paths:  # of another kernel, which is not listened to
            return 0
        job = self.session.jobs.add(pid, name)
        self.session.start(self.session.jobs.watch(pid))
        return job.number

    async def stopped(self, pid: int, heard: str) -> None:
        info = await self._info(pid)
        self.session.jobs.stopped(pid, info.name or info.program).heard += heard
        self.session.start(self.session.jobs.watch(pid))

    async def jobs(self) -> list[Job]:
        return await self.session.jobs.refresh()

    async def job(self, named: str | None) -> Job:
        await self.session.jobs.refresh()
        return self.session.jobs.find(named)

    async def foreground(self, job: Job) -> bool:
        if job.work is not None:
            await job.work.go_on(in_foreground=True)
            await job.work.follow(self)
            return True
        conversation = self.session.conversation
        info = await self._info(job.pid)
        if info.interactive:
            if job.pid != conversation.pid:
                await self._talk_to(job.pid)
            self.session.jobs.remove(job.pid)
            self.shows_turn = await conversation.come_back()
            return True
        job.goes_on()
        job.in_foreground = True
        return False

    async def background(self, job: Job) -> None:
        self.session.jobs.goes_on(job)
        if job.work is not None:
            await job.work.go_on(in_foreground=False)
            return
        await self.ask("kill", pid=job.pid, signal="CONT")

    async def finished(self, job: Job) -> None:
        self.session.jobs.remove(job.pid)

    async def _talk_to(self, pid: int) -> None:
        """The partner before stays a job if it was one, and is listened to as one."""
        before = self.session.conversation.pid
        await self.session.conversation.attach(pid)
        if before is not None and before != pid and before in self.session.jobs:
            await self.session.jobs.watch(before)

    async def _info(self, pid: int) -> ProcessInfo:
        listed: list[ProcessInfo] = (await self.ask("ps")).processes
        for info in listed:
            if info.pid == pid:
                return info
        raise ShellError(f"process {pid} is gone", "jobs lists those that there are")

    # ---- events ---------------------------------------------------------------------------

    def why(self) -> Interrupted:
        """Why the task of the verb was cancelled."""
        suspending, self._suspending = self._suspending, False
        return Suspended() if suspending else Interrupted()

    def _of(self, pid: int) -> asyncio.Queue[Any]:
        return self._events.setdefault(pid, asyncio.Queue())

    def _on_event(self, event: Any) -> None:
        self._of(event.pid).put_nowait(event)

    def _on_lost(self) -> None:
        self._lost = True
        for queue in self._events.values():
            queue.put_nowait(None)
