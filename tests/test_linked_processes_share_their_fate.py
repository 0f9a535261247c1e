"""When one of two linked processes fails, the other is told to end, and says whose fault it was."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import ExitInfo
from llmos.kernel.process import INIT_PID, Process
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import EINVAL, EPERM, ESRCH
from simulation import simulate
from supervised import at_rest, fail, staying, supervise, until


async def idle(kernel: Kernel, parent: int = INIT_PID) -> Process:
    process = await kernel.spawn(
        task="hello", name=None, root=Path("/"), interactive=True, parent=parent
    )
    await until(lambda: process.mailbox.awaited and len(process.space) == 2)
    return process


async def ended(process: Process) -> ExitInfo:
    async with asyncio.timeout(10.0):
        await process.exited.wait()
    assert process.exit is not None
    return process.exit


@pytest.mark.parametrize("victim", [0, 1])
def test_a_failure_is_shared_both_ways(tmp_path: Path, victim: int) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        both = [await idle(kernel), await idle(kernel)]
        await kernel.link(*both)
        await fail(kernel, both[victim])
        end = await ended(both[1 - victim])
        assert end.status == 143
        reason = f"(process {both[victim].pid}, which it was linked to, exited with 137)"
        assert reason in end.output

    simulate(tmp_path, main)


def test_an_end_with_0_only_ends_the_link(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        stays = await idle(kernel)
        worker = await kernel.spawn(task="count 500", name=None, root=Path("/"))
        await kernel.link(stays, worker)
        assert kernel.links.of(stays.pid) == [worker.pid]
        assert (await ended(worker)).status == 0
        await asyncio.sleep(10.0)
        assert stays.alive
        assert kernel.links.of(stays.pid) == []

    simulate(tmp_path, main)


def test_a_link_that_was_ended_binds_nobody(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        one, other = await idle(kernel), await idle(kernel)
        await kernel.link(one, other)
        await kernel.unlink(other, one)
        await fail(kernel, one)
        await asyncio.sleep(10.0)
        assert other.alive

    simulate(tmp_path, main)


def test_a_failure_goes_along_a_chain_and_wakes_who_is_stopped(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        chain = [await idle(kernel) for _number in range(4)]
        for one, other in itertools.pairwise(chain):
            await kernel.link(one, other)
        await kernel.signal(chain[2], Signal.STOP)
        await fail(kernel, chain[0])
        for before, process in itertools.pairwise(chain):
            assert f"(process {before.pid}, which" in (await ended(process)).output

    simulate(tmp_path, main)


@pytest.mark.parametrize("order", ["link first", "end first"])
def test_a_link_and_an_end_at_the_same_moment_do_not_miss_each_other(
    tmp_path: Path, order: str
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[tuple[int, int, int | None]]:
        one, other = await idle(kernel), await idle(kernel)
        link, end = kernel.link(one, other), kernel.end(one, 7, "")
        both = (link, end) if order == "link first" else (end, link)
        await asyncio.gather(*both)
        assert "exited with 7)" in (await ended(other)).output
        return await kernel.journal.read(lambda c: list(c.execute("SELECT * FROM link")))

    assert simulate(tmp_path, main) == [], "nothing is left in the journal"


def test_a_link_and_its_reason_survive_a_crash(tmp_path: Path) -> None:
    async def link(kernel: Kernel, _: SimulatedDriver) -> tuple[int, int]:
        one, other = await idle(kernel), await idle(kernel)
        await kernel.link(one, other)
        return one.pid, other.pid

    async def lose(kernel: Kernel, _: SimulatedDriver) -> None:
        """The end is in the journal; the kernel is gone before anybody is told."""
        statements = kernel.links.end(pids[0], 9)
        await kernel.journal.commit(
            [*statements, ("UPDATE process SET exit_status = 9 WHERE pid = ?", (pids[0],))]
        )

    async def find(kernel: Kernel, _: SimulatedDriver) -> None:
        end = await ended(kernel.table.find(pids[1]))
        assert (end.status, end.output) == (
            143,
            f"(process {pids[0]}, which it was linked to, exited with 9)",
        )

    pids = simulate(tmp_path, link)
    simulate(tmp_path, lose)
    simulate(tmp_path, find)


def test_children_that_are_linked_to_a_supervisor_go_with_it(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        supervisor = await supervise(kernel, *staying("bound", "free"))
        there = await at_rest(kernel, supervisor, "bound", "free")
        await kernel.link(supervisor, there["bound"])
        await kernel.signal(supervisor, Signal.KILL)
        assert f"(process {supervisor.pid}, which" in (await ended(there["bound"])).output
        await asyncio.sleep(10.0)
        assert there["free"].alive

    simulate(tmp_path, main)


def test_what_cannot_be_linked_is_refused(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        one, other = await idle(kernel), await idle(kernel)
        with pytest.raises(EINVAL, match="cannot be linked to itself"):
            await kernel.link(one, one)
        with pytest.raises(EPERM, match="process 1 ends with the kernel"):
            await kernel.link(one, kernel.table.find(INIT_PID))
        await fail(kernel, other)
        with pytest.raises(ESRCH, match=f"process {other.pid} has ended"):
            await kernel.link(one, other)

    simulate(tmp_path, main)


def binding(request: ChatRequest) -> Reply:
    """`bind` starts a helper, links itself to it, and waits for it."""
    results = [message.text for message in request.messages if message.role == "tool"]
    if request.messages[1].text != "bind":
        return echo(request)
    if not results:
        return Reply(calls=(("spawn", json.dumps({"task": "call receive"})),))
    pid = int(results[0].removeprefix("pid "))
    name = ("link", "wait")[len(results) - 1] if len(results) < 3 else None
    return Reply(calls=((name, json.dumps({"pid": pid})),)) if name else Reply(results[-1])


def test_an_agent_links_itself_to_its_helper_but_not_to_a_stranger(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        agent = await kernel.spawn(task="bind", name=None, root=Path("/"))
        await until(lambda: agent.waits_for == "process 3")
        assert kernel.links.of(agent.pid) == [3]
        await kernel.signal(agent, Signal.KILL)
        end = await ended(kernel.table.find(3))
        assert f"(process {agent.pid}, which it was linked to, exited with 137)" in end.output
        stranger = await idle(kernel)
        rude = await kernel.spawn(
            task=f'call link {{"pid": {stranger.pid}}}', name=None, root=Path("/")
        )
        assert "EPERM: process 4 is not below process 5" in (await ended(rude)).output

    simulate(tmp_path, main, script=binding)
