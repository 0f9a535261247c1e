"""fsck names whatever is not as it was written, and nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from llmos.kernel.audit import audit
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.memory.survey import damage, open_reader
from simulation import simulate
from talking import agent, call, say

TALK = ["one", "two", "three " * 500]


async def fill(kernel: Kernel, _: SimulatedDriver) -> None:
    process = await agent(kernel, "block_write", "pin")
    for text in TALK:
        await say(kernel, process, text)
    await call(kernel, process, "block_write", name="plan", text="walk")
    await kernel.fork(process)
    assert await audit(kernel) == (20, [])


HARM = {
    "UPDATE frame SET text = 'eno' WHERE vpn = 0": "page 0 of process 2 does not match",
    "UPDATE frame SET text = x'00' WHERE vpn = 4": "page 4 of process 2 cannot be read",
    "DELETE FROM page_table WHERE pid = 3 AND vpn = 2": "process 3 has 9 pages, numbered 0 to 9",
    "DELETE FROM page_table WHERE vpn = 9": "the frame of page 9 of 2.0 is in nobody's page table",
    "DELETE FROM frame WHERE vpn = 5": "page 5 of process 2 has no frame",
}


@pytest.mark.parametrize(("harm", "words"), HARM.items(), ids=list(HARM.values()))
def test_damage_on_disk_is_named(harm: str, words: str, tmp_path: Path) -> None:
    simulate(tmp_path, fill)
    journal = tmp_path / "llmos.db"
    with open_reader(journal) as connection:
        assert list(damage(connection)) == []
    with sqlite3.connect(journal) as connection:
        connection.execute(harm)
    with open_reader(journal) as connection:
        found = list(damage(connection))
    assert any(line.startswith(words) for line in found), found


def test_memory_that_differs_from_disk_is_named(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        await fill(kernel, driver)
        process = kernel.table.find(2)
        process.space.resident[0].pinned = True
        assert (await audit(kernel))[1] == [
            "the window of process 2 holds other pages than swap says"
        ]
        process.space.resident[0].pinned = False
        process.space.head = "x"
        process.space.blocks.clear()
        assert (await audit(kernel))[1] == [
            "the prompt of process 2 begins otherwise than swap says",
            "process 2 has other blocks than swap says",
        ]

    simulate(tmp_path, main)
