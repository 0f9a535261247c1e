"""What plugins cost: a call through a plugin host against one in the kernel, and what installed
plugins add to a boot.

- call: the same function behind the same dispatcher, called one after the other, in turns: as a
  built-in `async def` in the kernel, and as a `def` and an `async def` of a plugin in their workers
- boot: a registry is loaded over N installed packages, each of one syscall, and over none; the
  manifest knows them, as it does from the second boot on. Pairs alternate. `first` is the boot that
  has to import them all, in workers
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from llmos.syscalls import Context
from llmos.syscalls.dispatch import Dispatcher
from llmos.syscalls.host import PluginHost
from llmos.syscalls.loader import load_file
from llmos.syscalls.registry import PluginFiles, PluginRegistry
from llmos.syscalls.runner import InKernel
from llmos.syscalls.table import Entry, Owner, SyscallTable
from llmos.syscalls.wire import Source
from report import report

PLUGIN = '''
from llmos import syscall

@syscall(effect="pure")
def echo(text: str) -> str:
    """Say it again."""
    return text

@syscall(effect="pure")
async def echo_async(text: str) -> str:
    """Say it again."""
    return text
'''
KINDS = ("kernel", "def", "async")
ARGUMENTS = '{"text": "as short as most of them are"}'


async def call_costs(calls: int, folder: Path) -> dict[str, list[float]]:
    """Microseconds of each call, by kind; the first tenth warms up."""
    file = folder / "echo.py"
    file.write_text(PLUGIN)
    host = PluginHost("echo", [Source(plugin="echo", file=str(file))])
    outside = {spec.name: spec for spec in (await host.load()).specs}
    inside = {call.spec.name: call for call in load_file(file, "echo")}
    names = {"kernel": "echo_async", "def": "echo", "async": "echo_async"}
    doors = {}
    for kind, name in names.items():
        table = SyscallTable()
        runner = InKernel([inside[name]]) if kind == "kernel" else host
        table.put(Owner("echo", kind), [Entry(outside[name], runner)])
        doors[kind] = Dispatcher(table)
    ctx = Context(1, "000000001", folder)
    costs: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(calls):
        for kind in KINDS:
            started = time.perf_counter()
            await doors[kind].call(names[kind], ARGUMENTS, ctx)
            if number >= calls // 10:
                costs[kind].append(1e6 * (time.perf_counter() - started))
    await host.close()
    return costs


def install(site: Path, count: int) -> None:
    """Packages as pip leaves them, all different."""
    for number in range(count):
        name = f"bench_plugin_{number}"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[llmos]\n{name} = {name}\n")
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(
            "from llmos import syscall\n\n@syscall\n"
            f"def call_{number}(text: str, times: int = {number}) -> str:\n"
            f'    """Do what plugin {number} does."""\n    return text * times\n'
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one load: on the clock, and of this process's CPU."""

    wall_ms: float
    cpu_ms: float


async def boot(folder: Path, *, until_all: int = 0) -> Cost:
    """One load of all plugins; with `until_all`, until so many syscalls are there."""
    registry = PluginRegistry(
        folder / "syscalls", environ={}, files=PluginFiles(manifest=folder / "manifest.json")
    )
    started, cpu = time.perf_counter(), time.process_time()
    await registry.load()
    took = Cost(1e3 * (time.perf_counter() - started), 1e3 * (time.process_time() - cpu))
    while sum(spec.name.startswith("call_") for spec in registry.table.specs()) < until_all:
        await asyncio.sleep(0.05)
        took = Cost(1e3 * (time.perf_counter() - started), 1e3 * (time.process_time() - cpu))
    await registry.close()
    return took


async def boots(count: int, rounds: int, folder: Path) -> tuple[Cost, list[tuple[Cost, Cost]]]:
    """(the first boot with plugins, pairs without and with)."""
    site, bare = folder / "site", folder / "bare"
    install(site, count)
    bare.mkdir()
    path, outer = list(sys.path), os.environ.get("PYTHONPATH", "")
    await boot(bare)  # what llmos itself imports
    pairs = []
    first = Cost(0.0, 0.0)
    for number in range(rounds + 1):
        without = await boot(bare)
        sys.path.insert(0, str(site))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(site), outer])
        took = await boot(folder, until_all=count)
        sys.path[:] = path
        os.environ["PYTHONPATH"] = outer
        if number:
            pairs.append((without, took))
            print(
                f"round {number}: {without.wall_ms:.0f} ms without, {took.wall_ms:.0f} ms with,"
                f" of the CPU {without.cpu_ms:.0f} and {took.cpu_ms:.0f} ms",
                flush=True,
            )
        else:
            first = took
    return first, pairs


async def main(calls: int, plugins: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="llmos-bench-") as name:
        costs = await call_costs(calls, Path(name))
        first, pairs = await boots(plugins, rounds, Path(name))
    p50 = {kind: statistics.median(costs[kind]) for kind in KINDS}
    figures = {
        "call_def_over_kernel_us_p50": round(p50["def"] - p50["kernel"], 1),
        "call_async_over_kernel_us_p50": round(p50["async"] - p50["kernel"], 1),
        "plugins": plugins,
        "boot_added_ms_p50": round(statistics.median(b.wall_ms - a.wall_ms for a, b in pairs), 1),
        "boot_added_cpu_ms_p50": round(statistics.median(b.cpu_ms - a.cpu_ms for a, b in pairs), 1),
    }
    details = {
        "calls": calls,
        "call_us_p50": {kind: round(value, 1) for kind, value in p50.items()},
        "call_us_p99": {
            kind: round(statistics.quantiles(costs[kind], n=100)[98], 1) for kind in KINDS
        },
        "boot_without_ms": [round(one.wall_ms, 1) for one, _ in pairs],
        "boot_with_ms": [round(one.wall_ms, 1) for _, one in pairs],
        "first_boot_s": round(first.wall_ms / 1e3, 1),
    }
    report("plugins", figures, details)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--plugins", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    asyncio.run(main(options.calls, options.plugins, options.rounds))
