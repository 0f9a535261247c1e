"""An alarm is a message at its time: once, over crashes too, and no longer than its process."""

from __future__ import annotations

import asyncio
import random
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from llmos.kernel.control import MAX_MAILBOX
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.kernel.signals import Signal
from llmos.kernel.timers import MAX_TIMERS, next_time
from llmos.plugins.clock import _until
from llmos.syscalls.errno import EINVAL
from simulation import Machine, ended, live, simulate, until
from talking import agent, call, stored


async def said(kernel: Kernel, process: Process) -> list[str]:
    """What it was told, without its own calls."""
    pages = [one.page for one in await stored(kernel, process)]
    return [p.text for p in pages if p.role == "user" and not p.text.startswith("call ")]


def test_a_message_comes_at_its_time(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await agent(kernel, "alarm", "alarm_list", "now")
        began = kernel.clock()
        told = await call(kernel, process, "alarm", text="tea is ready", seconds=300)
        assert re.fullmatch(r"alarm 1 at \w+day \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", told)
        assert (await call(kernel, process, "alarm_list")).endswith(": tea is ready")
        await until(lambda: len(process.space) > 8, timeout_s=1000)
        assert await said(kernel, process) == ["(alarm) tea is ready"]
        assert 300 <= kernel.clock() - began < 301
        assert await call(kernel, process, "alarm_list") == "there are none"

    simulate(tmp_path, main)


def test_one_that_waits_receives_it(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await agent(kernel, "alarm", "receive")
        await call(kernel, process, "alarm", text="up", seconds=5)
        assert await call(kernel, process, "receive") == "(alarm) up"

    simulate(tmp_path, main)


def test_again_and_again_until_it_is_cancelled(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await agent(kernel, "alarm_cron", "alarm_cancel", "alarm_list")
        assert (await call(kernel, process, "alarm_cron", text="look", cron="*/5 * * * *"))[:7] == (
            "alarm 1"
        )
        assert "(*/5 * * * *): look" in await call(kernel, process, "alarm_list")
        await asyncio.sleep(1501)
        assert len(await said(kernel, process)) == 5
        assert await call(kernel, process, "alarm_cancel", alarm=1) == "cancelled alarm 1"
        await asyncio.sleep(1000)
        assert len(await said(kernel, process)) == 5
        assert await call(kernel, process, "alarm_cancel", alarm=1) == (
            "ENOENT: there is no alarm 1 (there is none)"
        )

    simulate(tmp_path, main)


@pytest.mark.parametrize("seed", range(3))
def test_once_over_crashes(tmp_path: Path, seed: int) -> None:
    """Twenty alarms, and a crash every moment."""

    async def main(machine: Machine) -> None:
        rng = random.Random(seed)
        process = await agent(machine.kernel, "alarm")
        for number in range(20):
            await call(machine.kernel, process, "alarm", text=f"a{number}", seconds=5 + number / 10)
        for _ in range(30):
            await asyncio.sleep(rng.uniform(0, 0.5))
            await machine.crash()
            await machine.boot()
        kernel = machine.kernel
        process = kernel.table.find(process.pid)
        await asyncio.sleep(20)
        told = await said(kernel, process)
        assert sorted(told) == sorted(f"(alarm) a{number}" for number in range(20))

    live(tmp_path, main)


def test_one_that_was_missed_rings_at_the_next_boot(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        process = await agent(machine.kernel, "alarm", "alarm_cron")
        await call(machine.kernel, process, "alarm", text="once", seconds=60)
        await call(machine.kernel, process, "alarm_cron", text="each minute", cron="* * * * *")
        await machine.park()
        await asyncio.sleep(3600)
        kernel = await machine.boot()
        process = kernel.table.find(process.pid)
        await asyncio.sleep(30)
        assert sorted(await said(kernel, process)) == ["(alarm) each minute", "(alarm) once"]
        await asyncio.sleep(61)
        assert len(await said(kernel, process)) == 3

    live(tmp_path, main)


def test_alarms_end_with_their_process_and_are_nobody_elses(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        one, other = [await agent(kernel, "alarm", "alarm_cancel", "alarm_list") for _ in range(2)]
        await call(kernel, one, "alarm", text="x", seconds=60)
        assert await call(kernel, other, "alarm_list") == "there are none"
        assert (await call(kernel, other, "alarm_cancel", alarm=1)).startswith("ENOENT: ")
        await kernel.signal(one, Signal.KILL)
        await ended(one)
        rows = await kernel.journal.read(lambda c: c.execute("SELECT * FROM timer").fetchall())
        assert rows == []
        await asyncio.sleep(100)
        await call(kernel, other, "alarm", text="y", seconds=60)
        assert "2 at" in await call(kernel, other, "alarm_list"), "no number comes again"

    live(tmp_path, main)


def test_so_many_and_no_more_and_a_full_mailbox_loses_none(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await agent(kernel, "alarm")
        for _ in range(MAX_TIMERS):
            await call(kernel, process, "alarm", text="x", seconds=10_000)
        told = await call(kernel, process, "alarm", text="x", seconds=60)
        assert told.startswith(f"EAGAIN: process {process.pid} has {MAX_TIMERS} alarms")
        other = await agent(kernel, "alarm")
        await call(kernel, other, "alarm", text="late", seconds=60)
        await kernel.signal(other, Signal.STOP)
        for number in range(MAX_MAILBOX):
            await kernel.send(other.pid, f"m{number}")
        await asyncio.sleep(100)
        assert len(other.mailbox) == MAX_MAILBOX
        other.mailbox.remove(other.mailbox.first())  # type: ignore[arg-type]
        await asyncio.sleep(11)
        assert [m.text for m in other.mailbox if m.kind == "alarm"] == ["late"]

    simulate(tmp_path, main)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "x"}, "EINVAL: give either seconds or at"),
        ({"text": "x", "seconds": 1, "at": "17:30"}, "EINVAL: give either seconds or at"),
        ({"text": "x", "seconds": -1}, "EINVAL: seconds: expected more than 0.0, got -1"),
        ({"text": "x", "seconds": 1e12}, "EINVAL: seconds: expected "),
        ({"text": "", "seconds": 1}, "EINVAL: text: expected "),
        ({"text": "x", "at": "soon"}, "EINVAL: at: not a time: 'soon'"),
        ({"text": "x", "at": "2020-01-01"}, "EINVAL: at: 2020-01-01 is over"),
        ({"text": "x", "at": "9999-01-01"}, "EINVAL: at: 9999-01-01 is over, or more than a year"),
    ],
)
def test_what_is_no_time_is_refused(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await agent(kernel, "alarm")
        assert (await call(kernel, process, "alarm", **arguments)).startswith(message)

    simulate(tmp_path, main)


def test_times_of_the_day_and_dates() -> None:
    now = datetime.combine(datetime.now().date(), datetime.min.time()) + timedelta(hours=12)
    assert _until("12:30", now) == 1800
    assert _until("11:00", now) == 23 * 3600
    assert _until("12:00", now) == 24 * 3600
    assert _until((now + timedelta(days=2)).isoformat(" "), now) == 2 * 86400
    assert _until((now + timedelta(hours=1)).astimezone().isoformat(), now) == 3600


@pytest.mark.parametrize("cron", ["", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "x"])
def test_what_is_no_cron_expression_is_refused(cron: str) -> None:
    with pytest.raises(EINVAL, match="names no time"):
        next_time(cron, 0.0)


def test_cron_goes_by_the_clock_of_the_machine() -> None:
    friday = datetime(2026, 5, 8, 10, 0).timestamp()
    assert next_time("0 9 * * MON-FRI", friday) == datetime(2026, 5, 11, 9, 0).timestamp()
    assert next_time("*/15 * * * *", friday) == datetime(2026, 5, 8, 10, 15).timestamp()
