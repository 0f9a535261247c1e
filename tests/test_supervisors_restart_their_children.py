"""A supervisor starts its children, restarts them, and ends them, in the order that it was told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llmos.kernel import overseer
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import ChildSpec, Strategy
from llmos.kernel.process import INIT_PID, State
from llmos.kernel.signals import Signal
from simulation import simulate
from supervised import at_rest, children, diary, fail, script, staying, supervise, until


@pytest.mark.parametrize(
    ("strategy", "restarted"),
    [("one_for_one", "b"), ("one_for_all", "abc"), ("rest_for_one", "bc")],
)
def test_a_failure_restarts_those_that_the_strategy_names(
    tmp_path: Path, strategy: Strategy, restarted: str
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, *staying("a", "b", "c"), strategy=strategy)
        before = await at_rest(kernel, supervisor, "a", "b", "c")
        assert {one.group for one in before.values()} == {supervisor.pid}
        assert supervisor.waits_for == "3 children, 0 restarts"
        await fail(kernel, before["b"])
        await asyncio.sleep(1.0)
        after = await at_rest(kernel, supervisor, "a", "b", "c")
        changed = "".join(name for name in "abc" if before[name].pid != after[name].pid)
        assert changed == restarted
        assert supervisor.waits_for == "3 children, 1 restart"

    simulate(tmp_path, main, script=script)


def test_work_that_is_done_is_not_done_again_and_the_supervisor_ends_with_it(
    tmp_path: Path,
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(
            kernel,
            ChildSpec("once", task="count 3", restart="transient"),
            ChildSpec("try", task="fail", restart="temporary"),
        )
        await supervisor.exited.wait()
        assert supervisor.exit is not None
        assert (supervisor.exit.status, supervisor.exit.output) == (
            0,
            "2 children ended for good, 0 restarts",
        )
        assert "once (pid 3) exited with status 0, for good: 1 2 3" in diary(supervisor)
        assert kernel.table.children(supervisor.pid) == []

    simulate(tmp_path, main, script=script)


def test_a_child_that_cannot_succeed_makes_it_give_up_and_end_the_others(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(
            kernel,
            *staying("good"),
            ChildSpec("bad", task="fail", restart="transient"),
            max_restarts=2,
            window_s=30.0,
        )
        await supervisor.exited.wait()
        assert supervisor.exit is not None
        assert supervisor.exit.status == 1
        assert supervisor.exit.output == (
            "gave up on bad after 2 restarts within 30 s, which is the limit:"
            " bad (pid 6) exited with status 1: (this cannot be done)"
        )
        last_failure, end = diary(supervisor)[-2:]
        assert last_failure == (
            "bad (pid 6) exited with status 1, one restart too many: (this cannot be done)"
        )
        assert end.startswith("good (pid 3) exited with status 143, as it was told")

    simulate(tmp_path, main, script=script)


def test_slow_failures_are_restarted_for_ever_on_a_bounded_number_of_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overseer, "MAX_PAGES", 12)

    async def first(kernel: Kernel, _: SimulatedDriver) -> int:
        supervisor = await supervise(kernel, *staying("a"), window_s=1.0)
        for _round in range(30):
            there = await at_rest(kernel, supervisor, "a")
            await fail(kernel, there["a"])
            await asyncio.sleep(1.0)
            assert len(supervisor.space) <= 12
        assert supervisor.image > 3
        await at_rest(kernel, supervisor, "a")
        assert supervisor.waits_for == "1 child, 30 restarts"
        return supervisor.pid

    async def again(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = kernel.table.find(pid)
        await at_rest(kernel, supervisor, "a")
        assert supervisor.waits_for == "1 child, 30 restarts"

    pid = simulate(tmp_path, first, script=script)
    simulate(tmp_path, again, script=script)


def test_term_ends_the_children_in_reverse_order_before_the_supervisor(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, *staying("a", "b", "c"))
        there = await at_rest(kernel, supervisor, "a", "b", "c")
        ended: list[str] = []

        async def note(name: str) -> None:
            await there[name].exited.wait()
            ended.append(name)

        notes = [asyncio.create_task(note(name)) for name in "abc"]
        await kernel.signal(supervisor, Signal.TERM)
        await supervisor.exited.wait()
        await asyncio.gather(*notes)
        assert ended == ["c", "b", "a"]
        assert supervisor.exit is not None
        assert (supervisor.exit.status, supervisor.exit.output) == (143, "told to end by TERM")

    simulate(tmp_path, main, script=script)


def test_a_child_that_does_not_end_in_its_time_is_killed(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> tuple[float, list[str]]:
        loop = asyncio.get_running_loop()
        supervisor = await supervise(
            kernel,
            ChildSpec("gentle", task="long", shutdown_s=None),
            ChildSpec("slow", task="long", shutdown_s=0.05),
            ChildSpec("doomed", task="long", shutdown_s=0),
        )
        await until(lambda: len(children(kernel, supervisor)) == 3)
        await until(
            lambda: all(
                one.state is State.RUNNING and one.accounting.tokens_out > 20
                for one in children(kernel, supervisor).values()
            )
        )
        started = loop.time()
        await kernel.signal(supervisor, Signal.TERM)
        await supervisor.exited.wait()
        return loop.time() - started, diary(supervisor)[-3:]

    took, told = simulate(tmp_path, main, script=script)
    assert [line.split(",")[0] for line in told] == [
        "doomed (pid 5) exited with status 137",
        "slow (pid 4) exited with status 137",
        "gentle (pid 3) exited with status 143",
    ]
    assert 0.05 <= took < 1.0, "the gentle one had its last turn, the slow one its 50 ms"


def test_kill_ends_it_at_once_and_leaves_orphans(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, *staying("a", "b"))
        there = await at_rest(kernel, supervisor, "a", "b")
        await kernel.signal(supervisor, Signal.KILL)
        await supervisor.exited.wait()
        await asyncio.sleep(10.0)
        assert supervisor.exit is not None
        assert supervisor.exit.status == 137
        assert all(one.alive and one.parent == INIT_PID for one in there.values())

    simulate(tmp_path, main, script=script)


def test_a_stopped_supervisor_does_nothing_until_it_is_continued(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, *staying("a"))
        there = await at_rest(kernel, supervisor, "a")
        await kernel.signal(supervisor, Signal.STOP)
        await fail(kernel, there["a"])
        await asyncio.sleep(100.0)
        assert supervisor.state is State.STOPPED
        assert children(kernel, supervisor) == {}
        await kernel.signal(supervisor, Signal.CONT)
        await at_rest(kernel, supervisor, "a")

    simulate(tmp_path, main, script=script)


def test_a_limit_on_its_time_ends_its_children_first(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        inner = '{"children": [{"name": "leaf", "task": "hi", "interactive": true}]}'
        tree = ChildSpec("tree", task=inner, program="supervisor", timeout_s=5.0)
        supervisor = await supervise(kernel, tree, max_restarts=1)
        await supervisor.exited.wait()
        assert supervisor.exit is not None
        assert supervisor.exit.output == (
            "gave up on tree after 1 restarts within 60 s, which is the limit:"
            " tree (pid 5) exited with status 152: told to end by XCPU"
        )
        assert [one.pid for one in kernel.table if one.alive] == [INIT_PID]

    simulate(tmp_path, main, script=script)


def test_a_start_that_the_kernel_refuses_is_told_in_the_diary(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, *staying("a", "b"), max_restarts=1)
        await supervisor.exited.wait()
        assert supervisor.exit is not None
        assert supervisor.exit.status == 1
        assert "b could not be started: EAGAIN: 3 processes are alive" in supervisor.exit.output

    simulate(tmp_path, main, script=script, max_processes=3)


def test_a_specification_that_is_none_ends_it_with_the_reason(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(
            task='{"children": [{"name": "a", "task": "x", "restart": "sometimes"}]}',
            name=None,
            root=Path("/"),
            program="supervisor",
        )
        await process.exited.wait()
        assert process.exit is not None
        assert process.exit.status == 1
        assert process.exit.output.startswith("EINVAL: children.0.restart: Input should be")

    simulate(tmp_path, main)


def test_a_fork_of_a_supervisor_ends_with_the_reason(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, *staying("a"))
        await at_rest(kernel, supervisor, "a")
        fork = await kernel.fork(supervisor)
        await fork.exited.wait()
        assert fork.exit is not None
        assert fork.exit.output.startswith("a supervisor cannot be forked")
        await asyncio.sleep(1.0)
        await at_rest(kernel, supervisor, "a")

    simulate(tmp_path, main, script=script)
