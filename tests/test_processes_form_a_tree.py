"""Parents wait for children, orphans are adopted, the dead are reaped once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import INIT_PID, Process, State
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import EAGAIN, ESRCH
from simulation import ROOT, Machine, live, simulate


def parent_script(request: ChatRequest) -> Reply:
    """`parent` spawns a child that counts, waits for it, and says what it said."""
    task = next(m.text for m in request.messages if m.role == "user")
    last = request.messages[-1]
    if task != "parent":
        return Reply("1 2 3" if task == "count" else " ".join(["on"] * 3000))
    if last.role == "user":
        return Reply(calls=(("spawn", json.dumps({"task": "count"})),))
    if last.text.startswith("pid ") and "exited" not in last.text:
        return Reply(calls=(("wait", json.dumps({"pid": int(last.text.split()[1])})),))
    return Reply(f"my child said: {last.text}")


def test_a_parent_waits_for_its_child_and_reaps_it(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> tuple[str, list[int]]:
        parent = await kernel.spawn(task="parent", name=None, root=ROOT)
        await parent.exited.wait()
        assert parent.exit is not None
        return parent.exit.output, [process.pid for process in kernel.table]

    output, left = simulate(tmp_path, main, script=parent_script)
    assert output == "my child said: pid 3 exited with status 0: 1 2 3"
    assert left == [INIT_PID, 2], "the child is reaped, the parent is a zombie until waited for"


def test_an_orphan_goes_to_pid_1_which_reaps_it(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
        child = await kernel.spawn(
            task="long", name=None, root=ROOT, parent=parent.pid, spawn_key="k"
        )
        await kernel.signal(parent, Signal.TERM)
        await parent.exited.wait()
        assert child.alive and child.parent == INIT_PID
        await child.exited.wait()
        await asyncio.sleep(1)
        assert child.pid not in kernel.table
        with pytest.raises(ESRCH, match=f"no process {child.pid}"):
            kernel.table.find(child.pid)

    simulate(tmp_path, main, script=parent_script)


@pytest.mark.parametrize(
    ("signal", "status"), [(Signal.INT, 130), (Signal.TERM, 143), (Signal.KILL, 137)]
)
def test_a_signal_ends_a_task_with_its_status_and_keeps_the_partial_text(
    tmp_path: Path, signal: Signal, status: int
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> Process:
        process = await kernel.spawn(task="long", name=None, root=ROOT)
        while process.state is not State.RUNNING:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.5)
        await kernel.signal(process, signal)
        await process.exited.wait()
        return process

    process = simulate(tmp_path, main, script=parent_script)
    assert process.exit is not None
    assert process.exit.status == status
    assert 10 < len(process.exit.output.split()) < 3000
    partial = [entry.page for entry in process.space.resident if entry.page.interrupted]
    assert len(partial) == (signal is Signal.TERM)  # it has a last turn after its answer


def test_int_ends_the_turn_of_an_interactive_process_and_the_next_one_works(
    tmp_path: Path,
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[tuple[str, bool]]:
        process = await kernel.spawn(task="long", name=None, root=ROOT, interactive=True)
        while process.state is not State.RUNNING:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.5)
        await kernel.signal(process, Signal.INT)
        while process.waits_for != "a message":
            await asyncio.sleep(0.01)
        await kernel.signal(process, Signal.INT)  # idle: nothing to end
        await kernel.send(process.pid, "count")
        while len(process.space) < 4:
            await asyncio.sleep(0.01)
        return [(entry.page.role, entry.page.interrupted) for entry in process.space.resident]

    pages = simulate(tmp_path, main, script=parent_script)
    assert pages == [("user", False), ("assistant", True), ("user", False), ("assistant", False)]


def test_a_fork_bomb_is_refused_with_a_reason(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        for _number in range(4):
            await kernel.spawn(task="long", name=None, root=ROOT)
        with pytest.raises(EAGAIN, match="5 processes are alive, which is the limit"):
            await kernel.spawn(task="long", name=None, root=ROOT)

    simulate(tmp_path, main, script=parent_script, max_processes=5)


def test_a_session_that_multiplies_is_stopped_and_hurts_no_other(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        root = await kernel.spawn(task="long", name=None, root=ROOT)
        child = await kernel.fork(root)
        await kernel.fork(child)
        with pytest.raises(EAGAIN, match=f"3 processes of session {root.pid} are alive"):
            await kernel.fork(child)
        other = await kernel.spawn(task="long", name=None, root=ROOT)
        await kernel.fork(other)
        await kernel.set_session(child)
        await kernel.fork(root)

    simulate(tmp_path, main, script=parent_script, max_session_processes=3)


def test_a_chain_of_children_ends_at_a_depth(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = INIT_PID
        for _number in range(3):
            parent = (await kernel.spawn(task="long", name=None, root=ROOT, parent=parent)).pid
        with pytest.raises(EAGAIN, match="3 levels below the first, which is the limit"):
            await kernel.spawn(task="long", name=None, root=ROOT, parent=parent)

    simulate(tmp_path, main, script=parent_script, max_depth=3)


@pytest.mark.parametrize("disk_ticks", [0, 3, 9])
def test_a_child_that_is_born_while_its_parent_ends_is_an_orphan(
    tmp_path: Path, disk_ticks: int
) -> None:
    async def main(machine: Machine) -> None:
        await machine.park()
        machine.disk_ticks = disk_ticks
        kernel = await machine.boot()
        born = 0
        for ticks in range(60):
            parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
            end = asyncio.create_task(kernel.signal(parent, Signal.KILL))
            for _tick in range(ticks):
                await asyncio.sleep(0)
            with contextlib.suppress(ESRCH):
                child = await kernel.spawn(task="count", name=None, root=ROOT, parent=parent.pid)
                born += 1
                await asyncio.gather(end, parent.exited.wait())
                assert child.parent == INIT_PID
                await child.exited.wait()
            await end
        assert 0 < born < 60
        await machine.crash()
        kernel = await machine.boot()
        assert all(process.parent in (0, INIT_PID) for process in kernel.table)

    live(tmp_path, main, script=parent_script)


def test_a_zombie_that_pid_1_had_not_reaped_before_a_crash_is_reaped_after_it(
    tmp_path: Path,
) -> None:
    async def main(machine: Machine) -> None:
        await machine.park()
        machine.disk_ticks = 5
        kernel = await machine.boot()
        process = await kernel.spawn(task="count", name=None, root=ROOT, spawn_key="k")
        await process.exited.wait()
        await machine.crash()
        kernel = await machine.boot()
        assert process.pid in kernel.table
        await asyncio.sleep(1)
        assert process.pid not in kernel.table

    live(tmp_path, main, script=parent_script)
