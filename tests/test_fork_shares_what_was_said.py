"""A fork is a child that knows all that its parent knew, and costs next to nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from simulation import CAPACITY, ROOT, Machine, ended, live, simulate, until

STORY = " ".join(f"word{number}" for number in range(400))


def pages(process: Process) -> list[tuple[str, str]]:
    return [(entry.page.role, entry.page.text) for entry in process.space.resident]


async def told(kernel: Kernel, story: str = STORY) -> Process:
    """An interactive process that has heard a story and answered."""
    parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
    await kernel.send(parent.pid, story)
    await until(lambda: len(parent.space) == 2 and parent.waits_for == "a message")
    return parent


def test_the_pages_are_the_same_and_then_each_goes_its_way(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        parent = await told(kernel)
        child = await kernel.fork(parent, task="and now?", interactive=False)
        assert pages(child)[:2] == pages(parent)
        assert await ended(child) == (0, "You said: and now?")
        assert len(parent.space) == 2
        assert (child.parent, child.root, child.group) == (parent.pid, parent.root, parent.group)

    simulate(tmp_path, main)


def test_on_disk_the_frames_are_shared_and_after_a_crash_all_is_there(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        parent = await told(kernel)
        forks = [await kernel.fork(parent) for _ in range(5)]
        count = "SELECT COUNT(*), COUNT(DISTINCT frame) FROM page_table"
        assert await kernel.journal.read(lambda c: c.execute(count).fetchone()) == (12, 2)
        await machine.crash()
        again = await machine.boot()
        for process in (parent, *forks):
            assert pages(again.table.find(process.pid)) == pages(parent)

    live(tmp_path, main)


def test_the_child_hits_the_prefix_cache_of_its_parent(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        parent = await told(kernel)
        child = await kernel.fork(parent, task="and now?", interactive=False)
        await ended(child)
        usage = child.accounting.usage()
        known = usage.tokens_in - 2  # but for the new message
        assert usage.tokens_cached > 800
        assert known - usage.tokens_cached <= CAPACITY.block_tokens

    simulate(tmp_path, main)


def family(request: ChatRequest) -> Reply:
    """Forks, waits for the child; the child, which reads 0, says so."""
    last = request.messages[-1]
    if last.role == "user":
        return Reply(calls=(("fork", "{}"), ("list_processes", "{}")))
    if any(m.text.startswith("0 (this is the child") for m in request.messages):
        return Reply("I am the child, and of the other call I read " + last.text)
    made = next(m.text for m in request.messages if m.text.startswith("pid "))
    if "exited" in last.text:
        return Reply(last.text)
    return Reply(calls=(("wait", json.dumps({"pid": int(made.split()[1])})),))


def test_as_a_syscall_it_returns_0_in_the_child_and_other_calls_are_the_parents(
    tmp_path: Path,
) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        parent = await kernel.spawn(task="go", name=None, root=ROOT)
        status, output = await ended(parent)
        assert status == 0
        assert output.startswith("pid 3 exited with status 0: I am the child")
        assert "EINTR: this process is a fork; the call belongs to its parent" in output
        assert [p.pid for p in kernel.table] == [1, 2], "and it made one child only"

    simulate(tmp_path, main, script=family)


def test_in_the_middle_of_a_turn_it_may_come_at_any_moment(tmp_path: Path) -> None:
    """Also when a page of the parent is on its way to the journal."""

    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        for ticks in range(60):
            parent = await kernel.spawn(task=None, name="p", root=ROOT, interactive=True)
            await until(lambda p: p.waits_for == "a message", parent)
            sent = asyncio.create_task(kernel.send(parent.pid, "call list_processes"))
            for _ in range(ticks // 2):
                await asyncio.sleep(0.0 if ticks % 2 else 0.001)
            child = await kernel.fork(parent, task="count 3", interactive=False)
            assert await ended(child) == (0, "1 2 3"), ticks
            await sent
            await until(lambda p: p.waits_for == "a message" and len(p.space) == 4, parent)
        found = [pages(process) for process in kernel.table]
        await machine.crash()
        kernel = await machine.boot()
        assert [pages(process) for process in kernel.table] == found

    live(tmp_path, main)


def test_a_child_forked_while_its_parent_makes_a_call_does_not_make_it_too(tmp_path: Path) -> None:
    def script(request: ChatRequest) -> Reply:
        if request.messages[-1].text == "go":
            return Reply(calls=(("receive", "{}"),))
        return echo(request)

    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        parent = await kernel.spawn(task="go", name=None, root=ROOT)
        await until(lambda: parent.waits_for == "receive")
        child = await kernel.fork(parent)
        _, output = await ended(child)
        assert output == "EINTR: this process is a fork; the call belongs to its parent"
        await kernel.send(parent.pid, "hello")
        assert await ended(parent) == (0, "pid 0 says: hello")

    simulate(tmp_path, main, script=script)
