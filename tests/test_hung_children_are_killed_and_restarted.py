"""A child that makes no step is hung; one that waits, is stopped or has no engine is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from llmos.kernel.engine.batching import Costs
from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import ChildSpec
from llmos.kernel.process import State
from llmos.kernel.signals import Signal
from simulation import simulate
from supervised import at_rest, children, diary, staying, supervise, until
from supervised import script as plain

HANGS = ChildSpec("hangs", task="hang", restart="transient", watchdog_s=30.0)


def script(request: ChatRequest) -> Reply:
    """`hang` waits for process 2, the supervisor, which waits for it."""
    if request.messages[-1].text == "hang":
        return Reply(calls=(("wait", '{"pid": 2}'),))
    return plain(request)


def test_one_that_makes_no_step_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, HANGS, max_restarts=2, window_s=1000.0)
        await supervisor.exited.wait()
        assert 90.0 < asyncio.get_running_loop().time() < 92.0
        assert diary(supervisor)[1] == "hangs (pid 3) made no step for 30 s: killed"
        assert diary(supervisor)[2] == "hangs (pid 3) exited with status 137, restarting"
        assert supervisor.exit is not None
        assert "gave up on hangs after 2 restarts" in supervisor.exit.output

    simulate(tmp_path, main, script=script)


def test_one_that_waits_for_a_message_or_was_stopped_is_not_hung(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(
            kernel,
            *staying("idle", watchdog_s=5.0),
            ChildSpec("receives", task="call receive", watchdog_s=5.0),
            ChildSpec("stopped", task="long", watchdog_s=5.0),
        )
        await until(lambda: len(children(kernel, supervisor)) == 3)
        there = children(kernel, supervisor)
        await until(lambda: there["stopped"].state is State.RUNNING)
        await kernel.signal(there["stopped"], Signal.STOP)
        await asyncio.sleep(1000.0)
        assert children(kernel, supervisor) == there
        await kernel.send(there["idle"].pid, "hang")  # but now it is
        await asyncio.sleep(4.0)
        assert there["idle"].alive
        await asyncio.sleep(2.0)
        assert not there["idle"].alive

    simulate(tmp_path, main, script=script)


def test_a_generation_that_goes_on_is_a_sign_of_life(tmp_path: Path) -> None:
    """It takes eight seconds, four times as long as the watchdog waits."""

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        long = ChildSpec("long", task="count 4000", restart="transient", watchdog_s=2.0)
        supervisor = await supervise(kernel, long)
        await supervisor.exited.wait()
        assert asyncio.get_running_loop().time() > 8.0
        assert supervisor.exit is not None
        assert supervisor.exit.output == "1 child ended for good, 0 restarts"

    simulate(tmp_path, main, script=script)


def test_an_engine_that_stands_still_is_noticed(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, ChildSpec("long", task="long", watchdog_s=2.0))
        await until(lambda: driver.totals.tokens_out > 50)
        assert driver._stepper is not None
        driver._stepper.cancel()
        before = asyncio.get_running_loop().time()
        await until(lambda: any("made no step" in line for line in diary(supervisor)))
        assert 1.9 < asyncio.get_running_loop().time() - before < 2.1

    simulate(tmp_path, main, script=script)


def test_an_engine_that_is_away_is_nobodys_hang(tmp_path: Path) -> None:
    """It takes a minute to come, and a minute to come back."""

    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        driver.costs = replace(Costs(), start_s=60.0)
        supervisor = await supervise(
            kernel, ChildSpec("long", task="count 4000", restart="transient", watchdog_s=7.0)
        )
        await until(lambda: driver.totals.tokens_out > 50)
        driver.crash()
        await supervisor.exited.wait()
        assert asyncio.get_running_loop().time() > 60.0
        assert supervisor.exit is not None
        assert supervisor.exit.output == "1 child ended for good, 0 restarts"

    simulate(tmp_path, main, script=script)


def test_a_run_that_takes_too_long_ends_with_152_and_is_restarted(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, *staying("a", timeout_s=10.0), max_restarts=100)
        await asyncio.sleep(35.0)
        await at_rest(kernel, supervisor, "a")
        ends = [line for line in diary(supervisor) if "exited" in line]
        assert [line.split(":")[0] for line in ends] == [
            f"a (pid {pid}) exited with status 152, restarting" for pid in (3, 4, 5)
        ]

    simulate(tmp_path, main, script=script)
