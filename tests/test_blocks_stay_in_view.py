"""Blocks: what an agent writes there stands at the beginning of its prompt, and moves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmos.kernel import checkpoint
from llmos.kernel.checkpoint_file import read_file, write_file
from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.memory.blocks import DEFAULT_LIMIT, MAX_BLOCKS
from simulation import Machine, live, simulate, until
from talking import agent, call, say, talk_past

SMALL = Capacity(max_num_seqs=4, window_tokens=600, kv_cache_tokens=6000)
TOOLS = ("block_write", "block_edit", "block_read", "block_list", "block_delete")


def test_an_edit_is_seen_at_the_end_and_folded_in_at_a_flush(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        head = process.space.system
        wrote = await call(kernel, process, "block_write", name="plan", text="walk to the shop")
        assert wrote == "wrote 16 characters to block plan"
        edited = await call(kernel, process, "block_edit", name="plan", old="walk", new="run")
        assert edited == "plan is now:\nrun to the shop"
        assert process.space.system == head, "the beginning of the prompt does not move"
        assert await call(kernel, process, "block_read", name="plan") == "run to the shop"
        listed = await call(kernel, process, "block_list")
        assert listed == f"plan: 15 of {DEFAULT_LIMIT} characters"
        await talk_past(kernel, process)
        assert "[plan]\nrun to the shop" in process.space.system
        assert await call(kernel, process, "block_delete", name="plan") == "deleted block plan"
        assert "run to the shop" in process.space.system
        await talk_past(kernel, process)
        assert "run to the shop" not in process.space.system

    simulate(tmp_path, main, capacity=SMALL)


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("block_write", {"name": "a b", "text": "x"}, "EINVAL: 'a b' is no name"),
        ("block_write", {"name": "plan", "text": "x" * 2001}, "EFBIG: plan would have 2001"),
        ("block_edit", {"name": "plam", "old": "a", "new": "b"}, "ENOENT: there is no block plam"),
        ("block_edit", {"name": "plan", "old": "cake", "new": "b"}, "ENOENT: 'cake' does not"),
        (
            "block_edit",
            {"name": "plan", "old": "tea", "new": "b"},
            "EINVAL: 'tea' stands in plan 2",
        ),
        ("block_edit", {"name": "plan", "old": "", "new": "b"}, "ENOENT: '' does not"),
        ("block_read", {"name": "plam"}, "ENOENT: there is no block plam (did you mean plan?)"),
        ("block_delete", {"name": "x"}, "ENOENT: there is no block x"),
    ],
)
def test_mistakes_are_told_and_change_nothing(
    name: str, arguments: dict[str, str], error: str, tmp_path: Path
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        await call(kernel, process, "block_write", name="plan", text="tea and tea")
        assert (await call(kernel, process, name, **arguments)).startswith(error)
        assert [block.text for block in process.space.blocks.values()] == ["tea and tea"]

    simulate(tmp_path, main, capacity=SMALL)


def test_there_are_only_so_many(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        for number in range(MAX_BLOCKS):
            await call(kernel, process, "block_write", name=f"b{number}", text="x")
        more = await call(kernel, process, "block_write", name="more", text="x")
        assert more == f"ENOSPC: there are {MAX_BLOCKS} blocks, which is the limit (delete one)"
        assert (await call(kernel, process, "block_write", name="b3", text="y")).startswith("wrote")

    simulate(tmp_path, main)


def test_they_outlive_a_crash_a_fork_has_its_own_and_an_exec_none(tmp_path: Path) -> None:
    def texts(process: object) -> list[str]:
        return [block.text for block in process.space.blocks.values()]  # type: ignore[attr-defined]

    async def main(machine: Machine) -> None:
        parent = await agent(machine.kernel, *TOOLS)
        await call(machine.kernel, parent, "block_write", name="plan", text="walk")
        await machine.crash()
        kernel = await machine.boot()
        parent = kernel.table.find(parent.pid)
        assert texts(parent) == ["walk"]
        child = await kernel.fork(parent)
        await call(kernel, child, "block_edit", name="plan", old="walk", new="run")
        assert (texts(parent), texts(child)) == (["walk"], ["run"])
        file = tmp_path / "checkpoint"
        write_file(file, await checkpoint.take(kernel, child, tree=False))
        (copy,) = (await checkpoint.restore(kernel, read_file(file))).processes
        await kernel.exec(child, task="hello")
        await until(lambda: len(child.space) == 2)
        assert texts(child) == []
        assert await call(kernel, child, "block_list") == "none"
        await machine.crash()
        kernel = await machine.boot()
        found = [texts(kernel.table.find(one.pid)) for one in (parent, child, copy)]
        assert found == [["walk"], [], ["run"]]

    live(tmp_path / "state", main, capacity=SMALL)


def test_in_a_small_window_they_leave_room_for_the_talk(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        refused = 0
        for number in range(MAX_BLOCKS):
            text = "word " * 30
            result = await call(kernel, process, "block_write", name=f"b{number}", text=text)
            refused += result.startswith("ENOMEM")
        assert 0 < refused < MAX_BLOCKS
        await talk_past(kernel, process)
        assert (await say(kernel, process, "hello")).startswith("You said: hello")

    simulate(tmp_path, main, capacity=SMALL)
