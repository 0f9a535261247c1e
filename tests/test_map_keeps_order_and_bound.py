"""`map` answers in the order of its items, with so many processes at once and no more."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import llmos
from harness import KernelProcess
from llmos.scripting.mapping import mapped
from terminal import Terminal


async def test_the_answers_are_in_the_order_of_the_items(sim_kernel: KernelProcess) -> None:
    async with llmos.connect(sim_kernel.state_dir, boot=False) as k:
        sizes = [200, 1, 50, 2, 100]  # the first is the last to end
        answers = await k.map("count", (str(size) for size in sizes), limit=5)
        assert answers == [f"You said: count\n\n{size}" for size in sizes]
        assert await k.map("count", []) == []


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_no_more_than_the_bound_run_at_once(limit: int) -> None:
    running, most, turns = 0, 0, asyncio.Semaphore(0)

    async def one(item: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await turns.acquire()
        running -= 1
        return item

    items = [str(number) for number in range(20)]
    mapping = asyncio.create_task(mapped(one, items, limit, False, False))
    while running < min(limit, 20):
        await asyncio.sleep(0)
    while not mapping.done():
        turns.release()
        await asyncio.sleep(0)
    assert mapping.result() == items
    assert most == min(limit, 20)


async def test_the_bound_holds_in_the_kernel(sim_kernel: KernelProcess) -> None:
    async with llmos.connect(sim_kernel.state_dir, boot=False, name="bounded") as k:
        mapping = asyncio.create_task(k.map("count up", ["x " * 300] * 8, limit=2))
        most = 0
        while not mapping.done():
            rows = await k.processes()
            own = {row.pid for row in rows if row.name == "bounded"}
            most = max(most, sum(row.parent in own and not row.exit_status for row in rows))
        assert len(mapping.result()) == 8
        assert 1 <= most <= 4  # two that run, and two that have just ended


async def test_the_first_failure_ends_the_others(sim_kernel: KernelProcess) -> None:
    async with llmos.connect(sim_kernel.state_dir, boot=False) as k:
        started = asyncio.get_running_loop().time()
        with pytest.raises(llmos.OutputInvalid, match="did not answer as int: no"):
            await k.map("json", ["no", "1", "2"], limit=1, output=int)
        assert asyncio.get_running_loop().time() - started < 20
        assert await k.map("json", ["1", "2"], output=int) == [1, 2]


async def test_failures_can_stand_among_the_answers(sim_kernel: KernelProcess) -> None:
    async with llmos.connect(sim_kernel.state_dir, boot=False) as k:
        one, two, three = await k.map(
            "json", ["1", '"two"', "3"], output=int, return_exceptions=True
        )
    assert (one, three) == (1, 3)
    assert isinstance(two, llmos.OutputInvalid) and two.output == '"two"'


SCRIPT = """
import llmos
with llmos.sync.connect(boot=False) as k:
    print(len(k.map("say", [str(n) for n in range(12)], limit=3{progress})))
"""


def test_a_terminal_sees_how_far_it_is(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    script = tmp_path / "many.py"
    script.write_text(SCRIPT.format(progress=""))
    with Terminal([sys.executable, str(script)], env=sim_kernel.env) as terminal:
        terminal.wait_for("12/12")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize(("progress", "shown"), [("", False), (", progress=True", True)])
def test_off_a_terminal_it_is_shown_when_it_is_asked_for(
    sim_kernel: KernelProcess, tmp_path: Path, progress: str, shown: bool
) -> None:
    script = tmp_path / "many.py"
    script.write_text(SCRIPT.format(progress=progress))
    run = subprocess.run(
        [sys.executable, script], env=sim_kernel.env, capture_output=True, text=True
    )
    assert run.stdout == "12\n", run.stderr
    assert ("12/12" in run.stderr) is shown
