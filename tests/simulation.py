"""A whole kernel in the test's own process, on the simulated engine and virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from llmos.kernel.boot import PROGRAMS
from llmos.kernel.config import KernelConfig
from llmos.kernel.engine.batching import Costs
from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import Script, SimulatedDriver, echo
from llmos.kernel.engine.supervisor import Engine
from llmos.kernel.journal import Journal, _Job
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process, State
from llmos.kernel.recovery import recover
from llmos.kernel.storage import open_journal
from llmos.memory.swap import keep_drafts_of
from llmos.syscalls import built_in, loader
from llmos.syscalls.loader import Plugin
from llmos.syscalls.registry import PluginRegistry
from llmos.syscalls.wire import Source
from llmos.trace import virtual_time

T = TypeVar("T")

CAPACITY = Capacity(max_num_seqs=64, window_tokens=4096, kv_cache_tokens=65536)
ROOT = Path("/")


@cache
def _built_in(plugin: str, module: str) -> Plugin:
    return loader.load(Source(plugin=plugin, module=module))


# They do not change within a run, and to read them takes most of a simulated kernel's boot.
setattr(built_in, "load_plugin", lambda source: _built_in(source.plugin, source.module))  # noqa: B010


class TickingDisk:
    """A journal that works in the loop's own thread, some turns of the loop after it was asked: the
    same way twice, which a thread cannot promise."""

    def __init__(self, journal: Journal, ticks: int) -> None:
        self.ticks = ticks
        self._journal = journal
        self._jobs: list[_Job] = []
        journal._enqueue = self._enqueue  # type: ignore[method-assign]

    def _enqueue(self, job: _Job) -> None:
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._turn(self.ticks)

    def _turn(self, left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(self._turn, left - 1)
        else:
            self.write()

    def write(self) -> None:
        jobs, self._jobs = self._jobs, []
        if jobs:
            self._journal._run(jobs)

    def forget(self) -> None:
        self._jobs.clear()


class RealLoop(asyncio.SelectorEventLoop):
    """Of real time: for what works in other processes, which nobody can wait for on virtual
    time."""

    def watch(self, busy: Callable[[], bool]) -> None: ...


class Machine:
    """What a kernel runs on, and what outlives it: a folder, a clock, the plugins. One kernel at
    a time; `boot` and `park`, or `crash`, in turn."""

    def __init__(
        self,
        folder: Path,
        loop: virtual_time.VirtualLoop | RealLoop,
        script: Script = echo,
        capacity: Capacity = CAPACITY,
        costs: Costs = Costs(),  # noqa: B008
        **config: object,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config = KernelConfig(folder, folder / "s", folder / "plugins", **config)  # type: ignore[arg-type]
        self.plugins = PluginRegistry(self.config.plugins_dir)
        self.kernel: Kernel
        self.driver: SimulatedDriver
        self._loop, self._script, self._capacity, self._costs = loop, script, capacity, costs
        self._background: list[asyncio.Task[None]] = []
        self._journal: Journal
        self._loaded = False
        self.disk: TickingDisk | None = None
        self.disk_ticks: int | None = None  # None: a real thread

    async def boot(self) -> Kernel:
        """A new kernel over the folder; what was there goes on."""
        self.driver = driver = SimulatedDriver(self._script, self._costs, self._capacity)
        self._journal = journal = open_journal(self.config.journal)
        self._loop.watch(lambda: journal.busy)
        if self.disk_ticks is not None:
            self.disk = TickingDisk(journal, self.disk_ticks)
        engine = Engine(driver)
        self.kernel = kernel = Kernel(
            self.config, journal, engine, self.plugins, PROGRAMS, self._loop.time
        )
        await journal.write(lambda connection: keep_drafts_of(connection, driver.model))
        found = await journal.read(recover)
        kernel.adopt_all(found)
        await kernel.start_init()
        self._background = [
            asyncio.create_task(engine.run()),
            asyncio.create_task(kernel.follow_engine()),
        ]
        if not self._loaded:
            await self.plugins.load()
            self._loaded = True
        kernel.start_all()
        return kernel

    async def park(self) -> None:
        await self.kernel.park()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self.disk is not None:
            self.disk.write()
        self._journal.close()

    async def crash(self) -> None:
        """As `kill -9`: whatever is not in the journal by now is gone, and nobody is told. What
        the test itself has under way with this kernel is cancelled."""
        journal = self._journal
        with contextlib.suppress(queue.Empty):
            while True:
                journal._queue.get_nowait()
        if self.disk is not None:
            self.disk.forget()
        journal._enqueue = lambda job: None  # type: ignore[method-assign]
        self.kernel.parking = True
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1.0)
        journal.close()
        self._loop.watch(lambda: False)


def live(
    folder: Path,
    main: Callable[[Machine], Awaitable[T]],
    *,
    script: Script = echo,
    capacity: Capacity = CAPACITY,
    **config: object,
) -> T:
    """Boot a machine, run `main`, which may crash it and boot it again, park."""

    async def body(loop: virtual_time.VirtualLoop) -> T:
        return await _live(Machine(folder, loop, script, capacity, **config), main)  # type: ignore[arg-type]

    return virtual_time.run(body)


def live_really(
    folder: Path,
    main: Callable[[Machine], Awaitable[T]],
    *,
    script: Script = echo,
    **config: object,
) -> T:
    """The same on real time: with plugins in their workers."""

    async def body() -> T:
        return await _live(Machine(folder, loop, script, CAPACITY, **config), main)  # type: ignore[arg-type]

    with asyncio.Runner(loop_factory=RealLoop) as runner:
        loop = cast(RealLoop, runner.get_loop())
        return runner.run(body())


async def _live(machine: Machine, main: Callable[[Machine], Awaitable[T]]) -> T:
    await machine.boot()
    try:
        return await main(machine)
    finally:
        await machine.park()
        await machine.plugins.close()


def simulate(
    folder: Path,
    main: Callable[[Kernel, SimulatedDriver], Awaitable[T]],
    *,
    script: Script = echo,
    capacity: Capacity = CAPACITY,
    **config: object,
) -> T:
    """Boot a kernel over `folder` (again, if it was used before), run `main`, park."""
    return live(
        folder,
        lambda machine: main(machine.kernel, machine.driver),
        script=script,
        capacity=capacity,
        **config,
    )


# ---- for those who watch ------------------------------------------------------------------


async def until(holds: Callable[..., bool], *of: object, timeout_s: float = 100.0) -> None:
    """Wait until something holds, on virtual time."""
    async with asyncio.timeout(timeout_s):
        while not holds(*of):
            await asyncio.sleep(0.001)


async def ended(process: Process, timeout_s: float = 1000.0) -> tuple[int, str]:
    """(status, output) of a process."""
    async with asyncio.timeout(timeout_s):
        await process.exited.wait()
    assert process.exit is not None
    return process.exit.status, process.exit.output


async def generating(process: Process, for_s: float = 0.1) -> None:
    """Wait until the process has generated for a while."""
    await until(lambda: process.state is State.RUNNING)
    await asyncio.sleep(for_s)
