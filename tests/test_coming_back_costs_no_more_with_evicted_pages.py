"""A kernel that boots reads what is in the windows of its processes. What has left them costs
nothing, however many pages it is."""

from __future__ import annotations

import sqlite3

import pytest

from llmos.memory import blocks, swap
from llmos.memory.page import Page

MAY_8 = 1_778_227_200.0
RESIDENT = 20


def instructions(evicted: int) -> int:
    """Of SQLite's machine, to read a process's pages; `evicted` of them have left its window."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(swap.SCHEMA + blocks.SCHEMA)
    pages = [Page(vpn, "user", f"page {vpn}", 2, MAY_8 + vpn) for vpn in range(evicted + RESIDENT)]
    statements = [one for page in pages for one in swap.write_page(1, 0, page, None)]
    gone = pages[:evicted]
    statements += swap.page_out(1, 0, gone, MAY_8, tokens_before=9, tokens_after=1)
    for sql, parameters in statements:
        connection.execute(sql, parameters)
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(step, 1)
    space = swap.read_space(connection, 1, 0, "text")
    connection.set_progress_handler(None, 1)
    assert [entry.page.vpn for entry in space.resident] == list(range(evicted, len(pages)))
    assert (len(space), space.num_evicted) == (len(pages), evicted)
    return count


@pytest.mark.parametrize("evicted", [100, 5000])
def test_it_takes_as_many_steps_as_with_none_evicted(evicted: int) -> None:
    assert instructions(evicted) <= instructions(1) + 10
