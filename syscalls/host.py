"""A plugin host: runs one plugin's syscalls in worker processes, and none in the kernel.

A `def` has a worker for itself while it runs, because only killing a process stops code that
does not want to stop (a thread cannot be killed, and a second call in the same process would die
with it). Each host keeps up to `max_workers` of those and lets calls beyond that wait their turn.
All `async def` calls share one more worker.

Workers start at the first call, and end after a minute without one. When one has crashed the next
starts at once; when they crash in a row, later and later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .child import MAYBE, Child
from .context import Context
from .decorator import NAME
from .desk import Desk, SecretOf, no_secrets
from .errno import EAGAIN, ECANCELED, EINTR, EIO, ETIME, LoadError, SyscallError
from .invoke import MAX_OUTPUT
from .patience import Backoff
from .programs import spec_of
from .spec import SyscallSpec
from .wire import Loaded, Observe, Source

MAX_UNSEEN = 1000
"""Calls that are kept for an observer while it starts."""


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What a plugin may take: worker processes, bytes of a result, seconds."""

    max_workers: int = 8
    max_output: int = MAX_OUTPUT
    max_memory: int = 2 << 30
    """Bytes of data of one worker, beside what it maps of files."""
    idle_s: float = 60.0
    load_timeout_s: float = 30.0
    grace_s: float = 1.0
    """How long a cancelled `async def`, or a `def` that looks out for it, may take to notice."""


DEFAULT_LIMITS = HostLimits()


@dataclass(frozen=True, slots=True)
class HostStatistics:
    """`workers` live now, `idle` of them with nothing to do; `calls` run or wait for a worker."""

    workers: int
    idle: int
    calls: int


class PluginHost:
    """Held by the registry. `name` is the plugin's, in messages."""

    def __init__(
        self,
        name: str,
        sources: Sequence[Source],
        limits: HostLimits = DEFAULT_LIMITS,
        secret_of: SecretOf = no_secrets,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` is called when the plugin turns out to be another one than was loaded."""
        self.name = name
        self.specs: dict[str, SyscallSpec] = {}
        self._sources = tuple(sources)
        self._limits = limits
        self._secret_of = secret_of
        self._changed = changed
        self._backoff = Backoff(name)
        self._observer: Child | None = None
        self._unseen: deque[Observe] = deque(maxlen=MAX_UNSEEN)
        self._observing: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(limits.max_workers)
        self._children: set[Child] = set()
        self._idle: list[Child] = []
        self._shared: Child | None = None
        self._starting_shared = asyncio.Lock()
        self._reapers: dict[Child, asyncio.TimerHandle] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._calls = 0
        self._retired = False
        self._closed = False

    async def load(self) -> Loaded:
        """Import the plugin in a first worker; LoadError says why it cannot be."""
        child = await self._start(check=False)
        plugins = {source.plugin for source in self._sources}
        for spec in child.loaded.specs:  # the worker's word alone is not enough
            if spec.plugin not in plugins or not NAME.fullmatch(spec.name):
                self._discard(child)
                raise LoadError(f"its worker offers what is not its own: {spec.name!r}")
        self.know(child.loaded)
        self._rest(child)
        return child.loaded

    def know(self, loaded: Loaded) -> None:
        """What the plugin brings, when it is known without importing it."""
        self.specs = {spec.name: spec for spec in loaded.specs}

    async def run(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float
    ) -> str:
        """One call, from arguments as given to text; raises SyscallError.

        Cancelling the awaiting task stops the call, too.
        """
        if self._closed:
            raise EAGAIN(f"{name} has just been unloaded")
        self._calls += 1
        try:
            desk = Desk(self.specs[name], ctx.kernel, self._secret_of)
            if self.specs[name].is_async:
                return await self._run_shared(name, arguments, ctx, timeout_s, desk)
            return await self._run_alone(name, arguments, ctx, timeout_s, desk)
        finally:
            self._calls -= 1
            self._close_if_done()

    async def run_program(self, program: str, task: str, ctx: Context) -> str:
        """Run a program of the plugin's to its end; its output. Raises SyscallError."""
        spec = spec_of(program, self.name)
        self._calls += 1
        try:
            desk = Desk(spec, ctx.kernel, self._secret_of)
            arguments = {"task": task}
            return await self._run_shared(spec.name, arguments, ctx, spec.timeout_s, desk)
        finally:
            self._calls -= 1
            self._close_if_done()

    def observe(self, seen: Observe) -> None:
        """Tell the plugin's observer of a call. Whoever is behind, or cannot run, misses it."""
        if self._closed or self._retired:
            return
        child = self._observer
        if child is not None and child.alive:
            child.observe(seen)
            return
        self._unseen.append(seen)  # the oldest give way
        if self._observing is None and self._backoff.wait_s == 0:
            self._observing = asyncio.create_task(self._start_observer())
            self._chores.add(self._observing)
            self._observing.add_done_callback(self._chores.discard)

    async def _start_observer(self) -> None:
        try:
            if self._observer is not None:
                self._crashed(self._observer)
                self._discard(self._observer)
            self._observer = await self._start()
            while self._unseen:
                self._observer.observe(self._unseen.popleft())
        except SyscallError:
            self._observer = None
        finally:
            self._observing = None

    def retire(self) -> None:
        """Close as soon as the calls that are on their way have ended."""
        self._retired = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._retired and not self._calls and not self._closed:
            self._closed = True
            self._begin(self.close())

    async def close(self) -> None:
        """End every worker; calls that still run fail."""
        self._closed = True
        for timer in self._reapers.values():
            timer.cancel()
        self._reapers.clear()
        self._idle.clear()
        self._shared = None
        busy = self._calls > 0
        await asyncio.gather(*(child.end(kill=busy) for child in list(self._children)))
        self._children.clear()
        me = asyncio.current_task()
        if chores := [chore for chore in self._chores if chore is not me]:
            await asyncio.wait(chores)

    @property
    def closed(self) -> bool:
        return self._closed and not self._children and not self._chores

    def statistics(self) -> HostStatistics:
        idle = len(self._idle) + (self._shared is not None and not self._shared.busy)
        return HostStatistics(len(self._children), idle, self._calls)

    # ---- def: a worker of one's own -------------------------------------------------------

    async def _run_alone(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float, desk: Desk
    ) -> str:
        try:
            async with asyncio.timeout(timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            raise EAGAIN(
                f"all {self._limits.max_workers} workers of {self.name} are busy",
                hint="try again later",
            ) from None
        try:
            child = await self._take()
        except BaseException:
            self._slots.release()
            raise
        number, future = self._call(child, name, arguments, ctx, desk)
        try:
            return await _in_time(future, name, timeout_s)
        finally:
            if child.looks_out(number) and not future.done():
                self._begin(self._end_gently(child, number))
            else:
                self._put_back(child)
                self._slots.release()

    async def _end_gently(self, child: Child, number: int) -> None:
        try:
            await child.cancel(number, self._limits.grace_s)
        finally:
            self._put_back(child)
            self._slots.release()

    async def _take(self) -> Child:
        while self._idle:
            child = self._idle.pop()
            self._reapers.pop(child).cancel()
            if child.alive:
                return child
            self._discard(child)
        return await self._start()

    def _crashed(self, child: Child) -> None:
        """A worker has ended that nobody has ended, or it has done a call."""
        if child.crashed:
            self._backoff.failed()
        elif child.alive:
            self._backoff.worked()

    def _put_back(self, child: Child) -> None:
        """A worker that still runs its call is ended; only so does the call end."""
        self._crashed(child)
        if child.busy:
            child.kill(ECANCELED("the call was stopped"))
        if child.alive and not self._closed:
            self._rest(child)
        else:
            self._discard(child)

    # ---- async def: one worker for all ----------------------------------------------------

    async def _run_shared(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float, desk: Desk
    ) -> str:
        async with self._starting_shared:
            child = self._shared
            if child is None or not child.alive or child.suspect:
                child = self._shared = await self._take()
        if timer := self._reapers.pop(child, None):
            timer.cancel()
        call_id, future = self._call(child, name, arguments, ctx, desk)
        try:
            return await _in_time(future, name, timeout_s)
        finally:
            if not future.done():
                self._begin(self._cancel(child, call_id, name))
            elif not child.alive:
                if child in self._children:  # the first of those that shared it
                    self._crashed(child)
                self._discard(child)
            elif not child.busy:
                self._crashed(child)
                self._reap_later(child)

    async def _cancel(self, child: Child, call_id: int, name: str) -> None:
        """A call that does not yield is ended with its worker, and with all that share it."""
        if not await child.cancel(call_id, self._limits.grace_s):
            child.kill(
                EINTR(
                    f"{name}, in the same worker, did not stop when told to, and was ended with it",
                    hint=MAYBE,
                )
            )
            self._discard(child)
        elif child.alive and not child.busy:
            self._reap_later(child)

    # ---- workers --------------------------------------------------------------------------

    def _call(
        self, child: Child, name: str, arguments: Mapping[str, Any], ctx: Context, desk: Desk
    ) -> tuple[int, asyncio.Future[str]]:
        return child.call(name, dict(arguments), ctx.pid, ctx.call_id, str(ctx.root), desk)

    async def _start(self, *, check: bool = True) -> Child:
        limits = self._limits
        if check:
            await self._backoff.wait()
        try:
            child = await Child.start(
                self.name,
                self._sources,
                limits.max_output,
                limits.max_memory,
                limits.load_timeout_s,
            )
        except LoadError as error:
            if not check:
                raise
            self._backoff.failed()
            raise EIO(f"the plugin {self.name} can no longer be loaded: {error}") from None
        except OSError as error:
            raise EAGAIN(f"no worker for {self.name}: {error}") from error
        self._children.add(child)
        if check and {spec.name: spec for spec in child.loaded.specs} != self.specs:
            self._discard(child)
            self._changed()
            raise EAGAIN(
                f"the plugin {self.name} has changed on disk since it was loaded",
                hint="try again when it is reloaded",
            )
        if self._closed:
            self._discard(child)
            raise EAGAIN(f"the plugin {self.name} has just been unloaded")
        return child

    def _rest(self, child: Child) -> None:
        self._idle.append(child)
        self._reap_later(child)

    def _reap_later(self, child: Child) -> None:
        if timer := self._reapers.pop(child, None):
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._reapers[child] = loop.call_later(self._limits.idle_s, self._reap, child)

    def _reap(self, child: Child) -> None:
        del self._reapers[child]
        if child in self._idle:
            self._idle.remove(child)
        self._discard(child)

    def _discard(self, child: Child) -> None:
        if child is self._shared:
            self._shared = None
        if child is self._observer:
            self._observer = None
        if child in self._children:
            self._children.remove(child)
            self._begin(child.end())

    def _begin(self, chore: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


async def _in_time(future: asyncio.Future[str], name: str, timeout_s: float) -> str:
    """What it brings, which goes on when that takes too long. Raises ETIME."""
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(future)
    except TimeoutError:
        raise _too_long(name, timeout_s) from None


def _too_long(name: str, timeout_s: float) -> SyscallError:
    return ETIME(f"{name} ran longer than {timeout_s:g} s and was stopped")
