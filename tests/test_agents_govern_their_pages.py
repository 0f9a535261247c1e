"""An agent can bring its pages back, keep them in view, and let them go; none is ever lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmos.kernel import checkpoint
from llmos.kernel.checkpoint_file import read_file, write_file
from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.memory.swap import read_forgotten, read_unwanted
from simulation import Machine, live, simulate, until
from talking import agent, call, read_in, resident, say, stored, talk_past

SMALL = Capacity(max_num_seqs=4, window_tokens=600, kv_cache_tokens=6000)
TOOLS = ("page_in", "pin", "unpin", "forget", "shared_read")


def test_a_page_that_has_left_comes_back_as_a_copy_at_the_end(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        await say(kernel, process, "the key is under the mat")
        await talk_past(kernel, process)
        assert process.space.find(0) is None
        head = process.space.system
        before = resident(process)
        result = await call(kernel, process, "page_in", page=0)
        assert result.endswith(":\nthe key is under the mat")
        assert result.startswith("page 0, what the user said, ")
        assert resident(process)[: len(before)] == before, "it comes at the end"
        assert process.space.system == head
        copy = resident(process)[-2]
        assert copy.role == "tool" and copy.recalled
        assert process.space.faults.total == 1
        again = await call(kernel, process, "page_in", page=0)
        assert again == f"that is in the window, as page {copy.vpn}"
        assert process.space.faults.total == 1

    simulate(tmp_path, main, capacity=SMALL)


def test_what_is_in_view_is_not_read_twice(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        await say(kernel, process, "hello")
        assert await call(kernel, process, "page_in", page=0) == "page 0 is in the window, whole"
        entry = process.space.find(0)
        assert entry is not None and entry.used == 4
        assert process.space.faults.total == 0

    simulate(tmp_path, main, capacity=SMALL)


def test_a_page_longer_than_the_window_is_read_in_parts_without_a_gap(tmp_path: Path) -> None:
    text = " ".join(f"word-{number}" for number in range(3000))

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        await say(kernel, process, text)
        start, parts = 0, []
        while start < len(text):
            result = await call(kernel, process, "page_in", page=0, start=start)
            parts.append(result.partition(":\n")[2])
            start += len(parts[-1])
        assert "".join(parts) == text
        assert len(parts) > 10
        part = await call(kernel, process, "page_in", page=0, start=7, length=6)
        assert part.endswith(":\nword-1")
        assert f"characters 7 to 13 of {len(text)}" in part
        assert process.space.num_resident_tokens < SMALL.window_tokens

    simulate(tmp_path, main, capacity=SMALL)


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("page_in", {"page": 99}, "ENOENT: there is no page 99 (there are 0 to"),
        ("page_in", {"page": -1}, "ENOENT: there is no page -1"),
        ("page_in", {"page": 0, "start": 5}, "EINVAL: page 0 has 5 characters, and none at 5"),
        ("page_in", {"page": 0, "start": 1, "length": 0}, "EINVAL: length 0 is not 1 or more"),
        ("pin", {"page": 99}, "ENOENT"),
        ("unpin", {"page": 99}, "ENOENT"),
        ("forget", {"page": 99}, "ENOENT"),
    ],
)
def test_mistakes_are_told(
    name: str, arguments: dict[str, int], error: str, tmp_path: Path
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> str:
        process = await agent(kernel, *TOOLS)
        await say(kernel, process, "hello")
        return await call(kernel, process, name, **arguments)

    assert simulate(tmp_path, main, capacity=SMALL).startswith(error)


def test_a_pinned_page_stays_with_what_it_cannot_stand_without(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        await read_in(kernel, process, "the plan is to walk")
        assert await call(kernel, process, "pin", page=2) == "pinned page 2"
        for _again in range(3):
            await talk_past(kernel, process)
        # The message, the call, its result, the answer; and nothing of the turn that pinned it.
        assert [page.vpn for page in resident(process)][:4] == [0, 1, 2, 3]
        assert resident(process)[4].vpn > 8
        assert await call(kernel, process, "unpin", page=2) == "unpinned page 2"
        for _again in range(3):
            await talk_past(kernel, process)
        assert process.space.find(2) is None

    simulate(tmp_path, main, capacity=SMALL)


def test_a_page_that_has_left_is_pinned_as_a_copy(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        await say(kernel, process, "the key is under the mat")
        await talk_past(kernel, process)
        result = await call(kernel, process, "pin", page=0)
        copy = resident(process)[-2]
        assert result.startswith(f"pinned as page {copy.vpn}:\npage 0, ")
        assert result.endswith("the key is under the mat")
        for _again in range(3):
            await talk_past(kernel, process)
        assert copy in resident(process), "a copy that is not pinned leaves first"

    simulate(tmp_path, main, capacity=SMALL)


def test_more_than_a_share_cannot_be_pinned_and_the_way_out_is_told(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        await say(kernel, process, "a " * 40)
        assert kernel.pager is not None
        await say(kernel, process, "b " * 40)
        assert await call(kernel, process, "pin", page=0) == "pinned page 0"
        refused = await call(kernel, process, "pin", page=2)
        assert refused.startswith("ENOMEM: with page 2, and what it cannot stand without, ")
        assert f"{kernel.pager.pinned_tokens} may be" in refused
        assert "(unpin one of the pages 0)" in refused
        entry = process.space.find(2)
        assert entry is not None and not entry.pinned
        await call(kernel, process, "unpin", page=0)
        assert await call(kernel, process, "pin", page=2) == "pinned page 2"

    simulate(tmp_path, main, capacity=SMALL)


def test_a_forgotten_page_leaves_first_and_stays_on_disk(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        await say(kernel, process, "the first message")
        report = await read_in(kernel, process, "a long report " * 5)
        assert kernel.pager is not None
        assert kernel.pager.victims(process.space, 10_000)[0].page.vpn == 0
        forgot = await call(kernel, process, "forget", page=report.vpn)
        assert forgot == f"forgot page {report.vpn}"
        just_over = kernel.pager.low_tokens + 1
        left = kernel.pager.victims(process.space, just_over)
        assert [e.page.vpn for e in left] == [report.vpn - 1, report.vpn], "the call and its result"
        await talk_past(kernel, process)
        (kept,) = [one for one in await stored(kernel, process) if one.page.vpn == report.vpn]
        assert kept.page == report and kept.unwanted
        assert (await call(kernel, process, "page_in", page=report.vpn)).endswith(report.text)
        found = await kernel.journal.read(lambda c: read_forgotten(c, 0, 10))
        assert found == [(1, f"{process.pid}.0", report.vpn)]

    simulate(tmp_path, main, capacity=SMALL)


def test_what_a_fork_forgets_its_parent_still_finds(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await agent(kernel, *TOOLS)
        await say(kernel, parent, "hello")
        child = await kernel.fork(parent)
        await call(kernel, child, "forget", page=0)
        await call(kernel, child, "pin", page=1)
        assert await kernel.journal.read(lambda c: read_unwanted(c, child.pid, 0)) == {0}
        assert await kernel.journal.read(lambda c: read_unwanted(c, parent.pid, 0)) == set()
        assert await kernel.journal.read(lambda c: read_forgotten(c, 0, 10)) == []
        assert [entry.pinned for entry in parent.space.resident] == [False, False]
        await call(kernel, parent, "forget", page=0)
        found = await kernel.journal.read(lambda c: read_forgotten(c, 0, 10))
        assert found == [(1, f"{parent.pid}.0", 0)], "now nobody wants it"

    simulate(tmp_path, main, capacity=SMALL)


def test_marks_outlive_a_crash_and_a_checkpoint(tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        process = await agent(machine.kernel, *TOOLS)
        await say(machine.kernel, process, "hello")
        await call(machine.kernel, process, "pin", page=0)
        await call(machine.kernel, process, "forget", page=1)
        await machine.crash()
        kernel = await machine.boot()
        process = kernel.table.find(process.pid)
        marks = [(entry.pinned, entry.unwanted) for entry in process.space.resident[:2]]
        assert marks == [(True, False), (False, True)]
        file = tmp_path / "checkpoint"
        write_file(file, await checkpoint.take(kernel, process, tree=False))
        (copy,) = (await checkpoint.restore(kernel, read_file(file))).processes
        marks = [(entry.pinned, entry.unwanted) for entry in copy.space.resident[:2]]
        assert marks == [(True, False), (False, True)]
        forgotten = await kernel.journal.read(lambda c: read_forgotten(c, 0, 10))
        assert (f"{copy.pid}.0", 1) in [(owner, vpn) for _, owner, vpn in forgotten]
        await kernel.exec(process, task="hello")
        await until(lambda: len(process.space) == 2)
        assert not any(entry.pinned or entry.unwanted for entry in process.space.resident)

    live(tmp_path / "state", main, capacity=SMALL)
