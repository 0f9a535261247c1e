"""A whole kernel in the test's own process, on the simulated engine and virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import virtual_time
from llmos.kernel.boot import PROGRAMS
from llmos.kernel.config import KernelConfig
from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import Script, SimulatedDriver, echo
from llmos.kernel.engine.supervisor import Engine
from llmos.kernel.kernel import Kernel
from llmos.kernel.recovery import recover
from llmos.kernel.storage import open_journal
from llmos.memory.swap import keep_drafts_of
from llmos.syscalls.registry import PluginRegistry

T = TypeVar("T")

CAPACITY = Capacity(max_num_seqs=64, window_tokens=4096, kv_cache_tokens=65536)


def simulate(
    folder: Path,
    main: Callable[[Kernel, SimulatedDriver], Awaitable[T]],
    *,
    script: Script = echo,
    capacity: Capacity = CAPACITY,
    **config: object,
) -> T:
    """Boot a kernel over `folder` (again, if it was used before), run `main`, park."""

    async def body(loop: virtual_time.VirtualLoop) -> T:
        folder.mkdir(parents=True, exist_ok=True)
        driver = SimulatedDriver(script, capacity=capacity)
        settings = KernelConfig(folder, folder / "s", folder / "plugins", **config)  # type: ignore[arg-type]
        journal = open_journal(settings.journal)
        loop.watch(lambda: journal.busy)
        engine = Engine(driver)
        plugins = PluginRegistry(settings.plugins_dir)
        kernel = Kernel(settings, journal, engine, plugins, PROGRAMS, loop.time)
        await journal.write(lambda connection: keep_drafts_of(connection, driver.model))
        found = await journal.read(recover)
        kernel.adopt_all(
            found.processes, found.last_pid, found.last_message_id, found.interrupted_calls
        )
        await kernel.start_init()
        background = [
            asyncio.create_task(engine.run()),
            asyncio.create_task(kernel.follow_engine()),
        ]
        await plugins.load()
        kernel.start_all()
        try:
            return await main(kernel, driver)
        finally:
            await kernel.park()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await plugins.close()
            journal.close()

    return virtual_time.run(body)
