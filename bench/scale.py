"""How the kernel carries many processes: each figure at 10, 100, 1,000 and 10,000 live ones.

Nearly all of them are interactive agents that wait for a message, on the simulated engine, in real
time. Each size has a kernel of its own in a process of its own, with journal and socket on disk as
at any boot; it is filled, measured, parked, and booted again over its journal.

- spawn_ms: p50 of one spawn after another, each durable when it returns
- dispatch_us: p50 of `now` (async, in the kernel, asks nothing of it) through the trap
- socket_us: p50 round trip of a small request (`detach`) of a plain client on the Unix socket
- ps_ms: p50 of `ps`, over the socket, until the shell's client has its records
- kib_per_process: what the kernel's resident memory grew by while it was filled, for each process
- recovery_s: from the opening of the journal to the first step of all, without the engine's start
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import psutil

from harness import Wire
from llmos.kernel.boot import PROGRAMS
from llmos.kernel.config import KernelConfig
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.engine.supervisor import Engine
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.kernel.recovery import recover
from llmos.kernel.server import Server
from llmos.kernel.service import Service
from llmos.kernel.storage import open_journal
from llmos.kernel.trap import trap
from llmos.memory.page import Call
from llmos.shell.client import Client
from llmos.syscalls.registry import PluginRegistry
from report import report

SIZES = (10, 100, 1_000, 10_000)
AT_ONCE = 64
SPAWNS, DISPATCHES, ROUND_TRIPS, LISTINGS = 100, 1_000, 500, 10


@dataclass
class Booted:
    """A kernel with its socket, and how long it took from the journal on."""

    kernel: Kernel
    server: Server
    background: list[asyncio.Task[None]]
    recovery_s: float

    async def halt(self) -> None:
        await self.kernel.park()
        await self.server.stop()
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.kernel.plugins.close()
        self.kernel.journal.close()


async def boot(folder: Path) -> Booted:
    """As `kernel/boot.py` does it. Plugins are loaded before the clock starts."""
    config = KernelConfig(folder, folder / "s", folder / "plugins", max_processes=20_000)
    plugins, engine = PluginRegistry(config.plugins_dir), Engine(SimulatedDriver())
    await plugins.load()
    gc.collect()
    started = time.perf_counter()
    journal = open_journal(config.journal)
    kernel = Kernel(config, journal, engine, plugins, PROGRAMS)
    found = await journal.read(recover)
    kernel.adopt_all(found)
    await kernel.start_init()
    server = Server(config.socket, Service(kernel, lambda: None), kernel.bus)
    await server.start()
    kernel.start_all()
    await asyncio.sleep(0)  # each has made its first step, up to where it waits
    recovery_s = time.perf_counter() - started
    background = [asyncio.create_task(engine.run())]
    await kernel.follow_engine()
    return Booted(kernel, server, background, recovery_s)


async def spawn(kernel: Kernel) -> Process:
    return await kernel.spawn(task=None, name="one of many", root=Path("/"), interactive=True)


async def measure(folder: Path, size: int) -> dict[str, Any]:
    booted = await boot(folder)
    kernel = booted.kernel
    await spawn(kernel)
    before = resident_bytes()
    for _ in range(0, size, AT_ONCE):
        left = size - kernel.table.num_alive() + 1  # pid 1 does not count
        await asyncio.gather(*(spawn(kernel) for _ in range(min(AT_ONCE, left))))
    await asyncio.sleep(0.1)
    grown = resident_bytes() - before
    figures: dict[str, Any] = {"kib_per_process": grown / 1024 / (size - 1)}
    figures["spawn_ms"] = 1e3 * statistics.median(await spawns_s(kernel))
    figures["spawns_per_s"] = await spawn_rate(kernel)
    figures["dispatch_us"] = 1e6 * statistics.median(await dispatches_s(kernel))
    over_socket = asyncio.to_thread(client, kernel.config.socket)
    figures["socket_us"], figures["ps_ms"] = await over_socket
    await booted.halt()
    gc.collect()
    booted = await boot(folder)
    figures["recovery_s"] = booted.recovery_s
    figures["recovered"] = booted.kernel.table.num_alive()
    await booted.halt()
    return figures


def resident_bytes() -> int:
    gc.collect()
    rss: int = psutil.Process().memory_info().rss
    return rss


async def spawns_s(kernel: Kernel) -> list[float]:
    seconds = []
    for _ in range(SPAWNS):
        started = time.perf_counter()
        await spawn(kernel)
        seconds.append(time.perf_counter() - started)
    return seconds


async def spawn_rate(kernel: Kernel) -> float:
    """Processes a second when many are spawned at once."""
    started = time.perf_counter()
    await asyncio.gather(*(spawn(kernel) for _ in range(AT_ONCE)))
    return AT_ONCE / (time.perf_counter() - started)


async def dispatches_s(kernel: Kernel) -> list[float]:
    process = await spawn(kernel)
    seconds = []
    for number in range(DISPATCHES):
        started = time.perf_counter()
        outcome = await trap(kernel, process, Call(f"{number:09d}", "now", "{}"))
        seconds.append(time.perf_counter() - started)
        assert outcome.ok, outcome.text
    return seconds


def client(path: Path) -> tuple[float, float]:
    """(socket_us, ps_ms), from a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as other:
        return other.submit(round_trips, path).result()


def round_trips(path: Path) -> tuple[float, float]:
    with Wire(path) as wire:
        small = timed(lambda: wire.get("detach", pid=2), ROUND_TRIPS)
    with Client(str(path)) as shell:
        listing = timed(lambda: shell.ask("ps"), LISTINGS)
    return 1e6 * small, 1e3 * listing


def timed(act: Callable[[], object], times: int) -> float:
    """Median seconds."""
    seconds = []
    act()
    for _ in range(times):
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def in_child(size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="llmos-") as folder:
        return asyncio.run(measure(Path(folder), size))


def main(sizes: list[int]) -> None:
    measured: dict[int, dict[str, Any]] = {}
    for size in sizes:
        # In a process that has done nothing else. No Pool: its workers may have no children.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            measured[size] = fresh.submit(in_child, size).result()
        print(size, json.dumps(measured[size]), flush=True)
    names = ["spawn_ms", "dispatch_us", "socket_us", "ps_ms", "kib_per_process", "recovery_s"]
    figures = {
        name: {str(size): round(measured[size][name], 3) for size in sizes} for name in names
    }
    rates = {str(size): round(measured[size]["spawns_per_s"]) for size in sizes}
    report("scale", figures, {"spawns_per_s_64_at_once": rates, "syscall": "now"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    main(parser.parse_args().sizes)
