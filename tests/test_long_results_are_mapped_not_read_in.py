"""A long result is shown by its beginning and its end, and the rest is a page_in away."""

from __future__ import annotations

import re
from pathlib import Path

from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.memory.address_space import Entry
from simulation import simulate
from talking import agent, call, say

WINDOW = Capacity(max_num_seqs=4, window_tokens=4096, kv_cache_tokens=40960)
LINES = "".join(f"line {number} of the log\n" for number in range(400))


async def read_it(kernel: Kernel, folder: Path, *tools: str) -> Entry:
    """What an agent's window holds of a long file that it reads."""
    process = await agent(kernel, "read_file", *tools, root=folder)
    await say(kernel, process, 'call read_file {"path": "log.txt"}')
    (entry,) = [one for one in process.space.resident if one.page.role == "tool"]
    assert entry.page.text == LINES, "it is kept whole"
    return entry


def test_who_can_page_in_sees_the_first_and_the_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(LINES)

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        entry = await read_it(kernel, tmp_path, "page_in")
        lines = entry.shown().splitlines()
        assert lines[0] == "line 0 of the log"
        assert lines[-1] == "line 399 of the log"
        assert entry.num_tokens == kernel.config.preview_tokens == 200
        assert kernel.engine.count_tokens(entry.shown()) < 230
        (handle,) = [line for line in lines if line.startswith("(")]
        found = re.search(r"page_in\(page=2, start=(\d+)\)", handle)
        assert found is not None
        start = int(found[1])
        shown = entry.shown().partition(handle)[0]
        assert LINES[:start] == shown, "the handle says where to go on"
        process = next(one for one in kernel.table if one.name == "a")
        rest = await call(kernel, process, "page_in", page=2, start=start)
        assert rest.partition(")\n")[2].startswith(LINES[start:][:500])

    simulate(tmp_path / "state", main, capacity=WINDOW)


def test_who_cannot_page_in_sees_all_that_one_page_may_take(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(LINES)

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        entry = await read_it(kernel, tmp_path)
        assert kernel.pager is not None
        assert entry.num_tokens == kernel.pager.page_tokens > 500

    simulate(tmp_path / "state", main, capacity=WINDOW)


def test_how_much_is_shown_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(LINES)

    async def main(kernel: Kernel, _: SimulatedDriver) -> int:
        return (await read_it(kernel, tmp_path, "page_in")).num_tokens

    assert simulate(tmp_path / "a", main, capacity=WINDOW, preview_tokens=50) == 50


def test_a_text_without_lines_is_shown_by_its_beginning(tmp_path: Path) -> None:
    text = " ".join(f"word{number}" for number in range(1000))
    (tmp_path / "log.txt").write_text(text)

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, "read_file", "page_in", root=tmp_path)
        await say(kernel, process, 'call read_file {"path": "log.txt"}')
        (entry,) = [one for one in process.space.resident if one.page.role == "tool"]
        beginning, handle = entry.shown().rsplit("\n", 1)
        assert text.startswith(beginning)
        assert handle == (
            f"(characters {len(beginning)} to {len(text)} of {len(text)} are not shown;"
            f" page_in(page=2, start={len(beginning)}) reads them)"
        )

    simulate(tmp_path / "state", main, capacity=WINDOW)
