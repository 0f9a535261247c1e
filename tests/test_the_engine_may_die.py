"""A process never learns that the engine died, but for the delay."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil

from harness import KernelProcess
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from simulation import simulate


def test_what_was_in_flight_is_submitted_again(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> tuple[list[Process], str]:
        processes = [
            await kernel.spawn(task="count 300", name=None, root=Path("/")) for _ in range(8)
        ]
        heard: list[str] = []
        kernel.bus.attach(processes[0].pid, lambda event: heard.append(getattr(event, "text", "")))
        for _ in range(2):
            await asyncio.sleep(0.2)
            driver.crash()
        for process in processes:
            await process.exited.wait()
        assert kernel.engine.status(0).restarts == 2
        return processes, "".join(heard)

    processes, heard = simulate(tmp_path, main)
    expected = " ".join(map(str, range(1, 301)))
    assert [process.exit.output for process in processes if process.exit] == [expected] * 8
    assert heard.startswith(expected), "and whoever watches sees each word once"


def test_an_engine_that_keeps_dying_is_given_up_with_a_reason(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> Process:
        process = await kernel.spawn(task="count 1000", name=None, root=Path("/"))
        for _ in range(4):
            await asyncio.sleep(0.2)
            driver.crash()
        await process.exited.wait()
        assert kernel.engine.status(0).state == "failed"
        return process

    process = simulate(tmp_path, main)
    assert process.exit is not None
    assert process.exit.status == 1
    assert "died 4 times in 60 s" in process.exit.output


def test_a_killed_engine_process_is_replaced_under_a_running_prompt(kernel: KernelProcess) -> None:
    """The real one: SIGKILL to vLLM's EngineCore while it generates."""
    with kernel.wire() as wire:
        before = wire.get("status")["engine"]["restarts"]
        (core,) = [
            child
            for child in psutil.Process(kernel.os_pid).children()
            if "EngineCore" in child.name()
        ]
        pids = [
            wire.get("spawn", task=f"what is {n} * 12", root=str(kernel.root))["pid"]
            for n in range(30, 38)
        ]
        os.kill(core.pid, signal.SIGKILL)
        ended = [wire.get("wait", pid=pid, timeout_s=100.0) for pid in pids]
        engine = wire.get("status")["engine"]
    assert [end["status"] for end in ended] == [0] * 8
    assert engine["state"] == "ready"
    assert engine["restarts"] == before + 1
