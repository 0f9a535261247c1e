"""A kernel in this process, with the real vLLM: what a bench looks into while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

from llmos.kernel.boot import PROGRAMS
from llmos.kernel.config import KernelConfig
from llmos.kernel.engine.supervisor import Engine
from llmos.kernel.engine.vllm import VllmDriver, VllmSettings
from llmos.kernel.kernel import Kernel
from llmos.kernel.storage import open_journal
from llmos.syscalls.registry import PluginRegistry

Driver = TypeVar("Driver", bound=VllmDriver)


@contextlib.asynccontextmanager
async def in_process_kernel(
    model: str, driver_class: type[Driver]
) -> AsyncIterator[tuple[Kernel, Driver, Path]]:
    """The kernel, its driver, and a folder for processes; the engine is ready, plugins are
    followed, and all of it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="llmos-bench-") as folder:
        state = Path(folder)
        config = KernelConfig(state, state / "s", state / "plugins", model=model)
        config.plugins_dir.mkdir()
        root = state / "root"
        root.mkdir()
        driver = driver_class(VllmSettings(config.model_path(), name=model))
        journal = open_journal(config.journal)
        engine = Engine(driver)
        plugins = PluginRegistry(config.plugins_dir)
        kernel = Kernel(config, journal, engine, plugins, PROGRAMS)
        await kernel.start_init()
        await plugins.load()
        background = [asyncio.create_task(engine.run()), asyncio.create_task(plugins.watch())]
        kernel.start_all()
        await kernel.follow_engine()
        try:
            yield kernel, driver, root
        finally:
            await kernel.park()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await plugins.close()
            journal.close()
