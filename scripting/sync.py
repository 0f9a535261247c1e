"""The same API for scripts without `async`: every method blocks until it is done.

    with llmos.sync.connect() as k:
        print(k.run("what is 37 * 12"))

One event loop in a thread of its own does the work. Ctrl-C cancels what is waited for.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from typing import Generic, TypeVar, Unpack, overload

from . import kernel as async_kernel
from .means import Means
from .process import Exit
from .process import Process as AsyncProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
    from types import TracebackType
    from typing import Any, Literal, Self

    from ..kernel.messages import Event, KernelStatus, ProcessInfo, SignalName
    from . import amounts
    from .group import Group as AsyncGroup
    from .process import Reach
    from .supervised import Restart, Strategy

T = TypeVar("T")


def connect(
    path: str | os.PathLike[str] | None = None,
    *,
    boot: bool = True,
    root: str | os.PathLike[str] | None = None,
    name: str | None = None,
) -> Kernel:
    """As `llmos.connect`, to be entered with `with`."""
    return Kernel(async_kernel.connect(path, boot=boot, root=root, name=name))


class Kernel:
    """As `llmos.scripting.kernel.Kernel`, whose methods say what they do and raise."""

    def __init__(self, kernel: async_kernel.Kernel) -> None:
        self._kernel = kernel
        self._loop = _Loop()

    def __enter__(self) -> Self:
        self._loop.start()
        try:
            self._loop.do(self._kernel.__aenter__())
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._loop.do(self._kernel.__aexit__())
        finally:
            self._loop.stop()

    @overload
    def run(
        self,
        prompt: str,
        context: str | None = None,
        *,
        output: None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> str: ...
    @overload
    def run(
        self,
        prompt: str,
        context: str | None = None,
        *,
        output: type[T],
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> T: ...

    def run(
        self,
        prompt: str,
        context: str | None = None,
        *,
        output: Any = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> Any:
        work = self._kernel.run(prompt, context, output=output, timeout=timeout, **means)
        return self._loop.do(work)

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
        work = self._kernel.spawn(prompt, context, interactive=interactive, output=output, **means)
        return Process(self._loop, self._loop.do(work))

    @overload
    def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: None = None,
        return_exceptions: Literal[False] = False,
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> list[str]: ...
    @overload
    def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: type[T],
        return_exceptions: Literal[False] = False,
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> list[T]: ...
    @overload
    def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: None = None,
        return_exceptions: Literal[True],
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> list[str | Exception]: ...
    @overload
    def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: type[T],
        return_exceptions: Literal[True],
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> list[T | Exception]: ...

    def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: Any = None,
        return_exceptions: bool = False,
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> Any:
        work = self._kernel._map(
            prompt,
            items,
            limit,
            output=output,
            return_exceptions=return_exceptions,
            progress=progress,
            timeout=timeout,
            means=means,
        )
        return self._loop.do(work)

    def group(
        self,
        restart: Restart | None = None,
        *,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        window: float = 60.0,
        timeout: float | None = None,
        name: str | None = None,
    ) -> Group:
        """As there, to be entered with `with`."""
        group = self._kernel.group(
            restart,
            strategy=strategy,
            max_restarts=max_restarts,
            window=window,
            timeout=timeout,
            name=name,
        )
        return Group(self._loop, group)

    def wait(self, *processes: Process[Any], timeout: float | None = None) -> list[Exit]:
        return self._loop.do(
            self._kernel.wait(*(one._process for one in processes), timeout=timeout)
        )

    def pipe(self, *prompts: str, context: str | None = None, timeout: float | None = None) -> str:
        return self._loop.do(self._kernel.pipe(*prompts, context=context, timeout=timeout))

    def attach(self, pid: int) -> Process[str]:
        return Process(self._loop, self._loop.do(self._kernel.attach(pid)))

    def processes(self) -> list[ProcessInfo]:
        return self._loop.do(self._kernel.processes())

    def status(self) -> KernelStatus:
        return self._loop.do(self._kernel.status())

    def syscall(self, name: str, /, **arguments: Any) -> str:
        return self._loop.do(self._kernel.syscall(name, **arguments))


class Process(Generic[T]):
    """As `llmos.Process`."""

    def __init__(self, loop: _Loop, process: AsyncProcess[T]) -> None:
        self._loop = loop
        self._process = process

    def __repr__(self) -> str:
        return repr(self._process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def interactive(self) -> bool:
        return self._process.interactive

    @property
    def has_ended(self) -> bool:
        return self._process.has_ended

    @property
    def stdout(self) -> Iterator[str]:
        return self._loop.iterate(self._process.stdout)

    @property
    def events(self) -> Iterator[Event]:
        return self._loop.iterate(self._process.events)

    def born(self) -> int:
        return self._loop.do(self._process.born())

    def info(self) -> ProcessInfo:
        return self._loop.do(self._process.info())

    def limits(self) -> dict[str, list[float | None]]:
        return self._loop.do(self._process.limits())

    def send(self, text: str) -> None:
        self._loop.do(self._process.send(text))

    def answer(self) -> T:
        return self._loop.do(self._process.answer())

    def ask(self, text: str) -> T:
        return self._loop.do(self._process.ask(text))

    def signal(self, name: SignalName, payload: str = "", *, to: Reach = "process") -> None:
        self._loop.do(self._process.signal(name, payload, to=to))

    def stop(self) -> None:
        self._loop.do(self._process.stop())

    def cont(self) -> None:
        self._loop.do(self._process.cont())

    def interrupt(self) -> None:
        self._loop.do(self._process.interrupt())

    def terminate(self) -> None:
        self._loop.do(self._process.terminate())

    def kill(self) -> None:
        self._loop.do(self._process.kill())

    def renice(self, nice: int) -> None:
        self._loop.do(self._process.renice(nice))

    @overload
    def fork(
        self,
        what: str | None = None,
        *,
        interactive: bool | None = None,
        budget: amounts.Amount | None = None,
    ) -> Process[T]: ...
    @overload
    def fork(
        self, what: int, *, interactive: bool | None = None, budget: amounts.Amount | None = None
    ) -> list[Process[T]]: ...

    def fork(
        self,
        what: str | int | None = None,
        *,
        interactive: bool | None = None,
        budget: amounts.Amount | None = None,
    ) -> Process[T] | list[Process[T]]:
        if isinstance(what, int):
            children = self._process.fork(what, interactive=interactive, budget=budget)
            return [Process(self._loop, child) for child in self._loop.do(children)]
        child = self._process.fork(what, interactive=interactive, budget=budget)
        return Process(self._loop, self._loop.do(child))

    def wait(self, timeout: float | None = None) -> Exit:
        return self._loop.do(self._process.wait(timeout))

    def result(self, timeout: float | None = None) -> T:
        return self._loop.do(self._process.result(timeout))


class Group:
    """As `llmos.Group`."""

    def __init__(self, loop: _Loop, group: AsyncGroup) -> None:
        self._loop = loop
        self._group = group

    @property
    def results(self) -> list[Any]:
        return self._group.results

    def __enter__(self) -> Self:
        # A task group is entered and left by one and the same task.
        self._entered, self._leave = self._loop.do(_futures())
        self._holding = self._loop.begin(self._hold())
        self._loop.do(_of(self._entered))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call(_settle, self._leave, error)
        try:
            self._loop.result(self._holding)
        except CancelledError:
            if error is None:
                raise  # else it is what we have just asked for

    async def _hold(self) -> None:
        async with self._group:
            self._entered.set_result(None)
            await self._leave

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
        async def spawned() -> AsyncProcess[Any]:
            return self._group.spawn(
                prompt, context, interactive=interactive, output=output, **means
            )

        return Process(self._loop, self._loop.do(spawned()))


# ---- the loop ----------------------------------------------------------------------------------


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llmos", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def begin(self, work: Coroutine[Any, Any, T]) -> Any:
        """The work, under way: a `concurrent.futures.Future`."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """The work to its end. Interrupted, it is cancelled."""
        value: T = self.result(self.begin(work))
        return value

    def result(self, doing: Any) -> Any:
        try:
            return doing.result()
        except BaseException:
            doing.cancel()
            raise

    def call(self, function: Any, *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        async def following() -> tuple[T] | None:
            async for item in items:
                return (item,)
            return None

        while (item := self.do(following())) is not None:
            yield item[0]


async def _futures() -> tuple[asyncio.Future[None], asyncio.Future[None]]:
    loop = asyncio.get_running_loop()
    return loop.create_future(), loop.create_future()


async def _of(future: asyncio.Future[None]) -> None:
    await future


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    elif isinstance(error, Exception):
        future.set_exception(error)
    else:  # Ctrl-C, or the end of the script
        future.cancel()
