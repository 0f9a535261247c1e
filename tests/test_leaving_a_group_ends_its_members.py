"""Whatever way a group is left, nothing that was started in it runs on."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

import pytest

import llmos
from harness import KernelProcess
from llmos.scripting.kernel import Kernel


def connected(kernel: KernelProcess) -> Kernel:
    return llmos.connect(kernel.state_dir, boot=False)


async def statuses(k: Kernel, *processes: llmos.Process[Any]) -> list[int]:
    return [ended.status for ended in await k.wait(*processes, timeout=30)]


async def test_leaving_waits_for_tasks_and_ends_conversations(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        async with k.group() as g:
            tasks = [g.spawn("Do the job.", job) for job in ("a", "b")]
            talker = g.spawn()
            assert_type(talker, llmos.Process[str])
            assert await talker.ask("hi") == "You said: hi"
        assert g.results == ["You said: Do the job.\n\na", "You said: Do the job.\n\nb", None]
        assert all(process.has_ended for process in (*tasks, talker))
        assert await statuses(k, *tasks, talker) == [0, 0, 143]


async def test_an_exception_in_the_block_ends_all(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        with pytest.raises(ExceptionGroup) as failures:
            async with k.group() as g:
                endless = [g.spawn("count 20000"), g.spawn()]
                await endless[0].born()
                raise ZeroDivisionError
        assert failures.group_contains(ZeroDivisionError)
        assert all(process.has_ended for process in endless)
        assert await statuses(k, *endless) == [137, 137]


async def test_a_failure_ends_the_others(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        with pytest.raises(ExceptionGroup) as failures:
            async with k.group() as g:
                endless = g.spawn("count 20000")
                failing = g.spawn("count 20000", limits={"tokens": 100})
        assert failures.group_contains(llmos.ProcessFailed, match="exited with 152")
        assert len(failures.value.exceptions) == 1
        assert await statuses(k, endless, failing) == [137, 152]


async def test_cancelling_the_block_ends_all(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        members: list[llmos.Process[str]] = []

        async def work() -> None:
            async with k.group() as g:
                members.append(g.spawn("count 20000"))
                await members[0].born()

        working = asyncio.create_task(work())
        while not members:
            await asyncio.sleep(0.01)
        await members[0].born()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert await statuses(k, *members) == [137]


async def test_a_member_that_is_ended_on_purpose_is_no_failure(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        async with k.group() as g:
            endless, _ = g.spawn("count 20000"), g.spawn("count 3")
            await endless.kill()
        assert g.results == [None, "1 2 3"]


async def test_a_member_may_take_so_long_and_no_longer(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        with pytest.raises(ExceptionGroup) as failures:
            async with k.group(timeout=0.3) as g:
                g.spawn("count 20000")
    assert failures.group_contains(llmos.ProcessFailed, match="exited with 152")


# ---- with restarts -------------------------------------------------------------------------------


async def test_a_member_that_fails_is_started_anew(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        async with k.group(restart="on-failure") as g:
            task, talker = g.spawn("count 3", name="task"), g.spawn(name="talker")
            assert await talker.ask("one") == "You said: one"
            first = talker.pid
            await talker.kill()
            while talker.pid == first:
                await asyncio.sleep(0.01)
            assert await talker.ask("two") == "You said: two"
        assert g.results == ["1 2 3", None]
        assert (await task.wait()).status == 0


async def test_too_many_restarts_fail_the_group(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        with pytest.raises(ExceptionGroup) as failures:
            async with k.group(restart="on-failure", max_restarts=2) as g:
                failing = g.spawn("count 20000", limits={"tokens": 100})
                endless = g.spawn("count 20000")
        assert failures.group_contains(llmos.ProcessFailed, match="gave up on member-1 after 2")
        assert len(failures.value.exceptions) == 1
        assert [one.has_ended for one in (failing, endless)] == [True, True]
        rows = await k.processes()
        assert not [row for row in rows if row.name.startswith("member-")]


async def test_an_exception_ends_the_supervisor_first(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k:
        with pytest.raises(ExceptionGroup):
            async with k.group(restart="always", name="boss") as g:
                await g.spawn("count 20000", name="endless").born()
                raise ZeroDivisionError
        names = {row.name for row in await k.processes()}
        assert not names & {"boss", "endless"}


async def test_members_are_named_before_they_start(sim_kernel: KernelProcess) -> None:
    async with connected(sim_kernel) as k, k.group(restart="on-failure") as g:
        one = g.spawn("count 1", name="one")
        with pytest.raises(ValueError, match="is taken"):
            g.spawn("count 1", name="one")
        await one.born()
        with pytest.raises(RuntimeError, match="spawn all members before"):
            g.spawn("count 1")
