"""A trace that is being recorded when the kernel is killed, the client dies or the disk is full is
a file that can be read, up to shortly before."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import KernelProcess, running_kernel
from llmos.kernel.trace_file import TraceFile
from llmos.trace.reading import TraceError, read
from llmos.trace.recorded import recorded


def until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def num_events(path: Path) -> int:
    return len(read(path).events) if path.exists() and path.stat().st_size else 0


def test_a_killed_kernel_leaves_what_had_happened() -> None:
    with running_kernel("--driver=simulated") as kernel:
        path = kernel.folder / "killed.trace"
        with kernel.wire() as wire:
            wire.get("start_trace", path=str(path))
            pid = wire.get("spawn", task="count 30", root=str(kernel.root))["pid"]
            wire.get("wait", pid=pid)
            wire.get("spawn", task="count 3000", root=str(kernel.root))
            until(lambda: num_events(path) >= 8)
            kernel.kill9()
        trace = read(path)
        assert not trace.whole
        assert recorded(trace).pids == (pid,), "what was not finished is left out"
        path.write_bytes(path.read_bytes() + b'{"t":1.5,"e":"le')
        assert read(path).events == trace.events, "a torn line is left out"


def test_a_client_that_dies_ends_its_recording(sim_kernel: KernelProcess) -> None:
    path = sim_kernel.folder / "left.trace"
    client = subprocess.Popen(
        [sys.executable, "-m", "llmos", "trace", "record", str(path)],
        env=sim_kernel.env,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: num_events(path) >= 2)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    until(lambda: read(path).whole)
    with sim_kernel.wire() as wire:
        other = sim_kernel.folder / "other.trace"
        wire.get("start_trace", path=str(other))
        assert wire.get("stop_trace")["lost"] == 0
        assert read(other).whole


async def test_a_trace_is_bounded_and_says_what_did_not_fit(tmp_path: Path) -> None:
    file = TraceFile(tmp_path / "small.trace", {}, max_bytes=1000)
    for number in range(100):
        file.add({"t": float(number), "e": "gap", "pid": 2, "name": "x" * 50})
        if number % 10 == 9:
            await asyncio.sleep(0.3)
    await file.close(100.0)
    trace = read(tmp_path / "small.trace")
    assert trace.whole and trace.lost > 50
    assert len(trace.events) + trace.lost == 100
    assert (tmp_path / "small.trace").stat().st_size < 3000
    assert (tmp_path / "small.trace").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[1]\n", b"not a trace\n", b'{"llmos_trace":99}\n']
)
def test_what_is_no_trace_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "something"
    path.write_bytes(content)
    with pytest.raises(TraceError, match="something"):
        read(path)
