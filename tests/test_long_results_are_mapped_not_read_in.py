"""A long result is shown by its beginning and its end, and the rest is a page_in away."""

from __future__ import annotations

import re
from pathlib import Path

from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.memory.address_space import Entry
from simulation import simulate
from talking import agent, call, read_in

WINDOW = Capacity(max_num_seqs=4, window_tokens=4096, kv_cache_tokens=40960)
LINES = "".join(f"line {number} of the log\n" for number in range(400))


async def read_it(kernel: Kernel, *tools: str, text: str = LINES) -> tuple[Process, Entry]:
    """An agent that reads a long text, and what its window then holds of it."""
    process = await agent(kernel, "shared_read", *tools)
    page = await read_in(kernel, process, text)
    assert page.text == f"version 1:\n{text}", "it is kept whole"
    entry = process.space.find(page.vpn)
    assert entry is not None
    return process, entry


def test_who_can_page_in_sees_the_first_and_the_last_lines(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process, entry = await read_it(kernel, "page_in")
        text = entry.page.text
        lines = entry.shown().splitlines()
        assert lines[:2] == ["version 1:", "line 0 of the log"]
        assert lines[-1] == "line 399 of the log"
        assert entry.num_tokens == kernel.config.preview_tokens == 100
        assert kernel.engine.count_tokens(entry.shown()) < 130
        (handle,) = [line for line in lines if line.startswith("(")]
        found = re.search(r"page_in\(page=2, start=(\d+)\)", handle)
        assert found is not None
        start = int(found[1])
        shown = entry.shown().partition(handle)[0]
        assert text[:start] == shown, "the handle says where to go on"
        rest = await call(kernel, process, "page_in", page=2, start=start)
        assert rest.partition(":\n")[2].startswith(text[start:][:500])

    simulate(tmp_path, main, capacity=WINDOW)


def test_who_cannot_page_in_sees_all_that_one_page_may_take(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        entry = (await read_it(kernel))[1]
        assert kernel.pager is not None
        assert entry.num_tokens == kernel.pager.page_tokens > 500

    simulate(tmp_path, main, capacity=WINDOW)


def test_how_much_is_shown_can_be_chosen(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> int:
        return (await read_it(kernel, "page_in"))[1].num_tokens

    assert simulate(tmp_path, main, capacity=WINDOW, preview_tokens=50) == 50


def test_a_text_without_lines_is_shown_by_its_beginning(tmp_path: Path) -> None:
    text = " ".join(f"word{number}" for number in range(1000))

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        entry = (await read_it(kernel, "page_in", text=text))[1]
        whole = entry.page.text
        beginning, handle = entry.shown().rsplit("\n", 1)
        assert whole.startswith(beginning)
        assert handle == (
            f"(characters {len(beginning)} to {len(whole)} of {len(whole)} are not shown;"
            f" page_in(page=2, start={len(beginning)}) reads them)"
        )

    simulate(tmp_path, main, capacity=WINDOW)
