"""A commit that was acknowledged is there after a crash; one that was refused leaves no trace."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from llmos.kernel.journal import Journal, JournalError
from llmos.kernel.storage import open_journal
from llmos.memory.address_space import AddressSpace
from llmos.memory.page import Call
from llmos.memory.swap import SwapDamaged, read_pages, write_page

WRITER = """
import asyncio, sys
from pathlib import Path
from llmos.kernel.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]), "CREATE TABLE IF NOT EXISTS word (text TEXT)")
    async def write(number):
        await journal.commit([("INSERT INTO word VALUES (?)", (str(number),))])
        print(number, flush=True)  # the acknowledgement
    while True:
        await asyncio.gather(*(write(number) for number in range(16)))

asyncio.run(main())
"""


def test_every_acknowledged_row_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(200)]
    writer.kill()
    acknowledged += writer.stdout.readlines()
    writer.wait()
    rows = sqlite3.connect(path).execute("SELECT COUNT(*) FROM word").fetchone()[0]
    assert rows >= len(acknowledged) >= 200


def test_a_refused_commit_leaves_nothing_and_takes_nobody_with_it(tmp_path: Path) -> None:
    async def main() -> list[object]:
        journal = Journal(tmp_path / "j.db", "CREATE TABLE word (text TEXT UNIQUE);")
        good = [("INSERT INTO word VALUES (?)", ("good",))]
        bad = [
            ("INSERT INTO word VALUES (?)", ("half",)),
            ("INSERT INTO nowhere VALUES (1)", ()),
        ]
        outcomes = await asyncio.gather(
            journal.commit(good), journal.commit(bad), return_exceptions=True
        )
        rows = await journal.read(lambda c: c.execute("SELECT text FROM word").fetchall())
        journal.close()
        return [*outcomes, rows]

    first, second, rows = asyncio.run(main())
    assert first is None
    assert isinstance(second, sqlite3.OperationalError)
    assert rows == [("good",)]


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "llmos.db"
    path.write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(JournalError, match=f"cannot open the journal {path}"):
        Journal(path)


def test_a_journal_of_another_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "llmos.db"
    Journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(JournalError, match="has schema 99, this llmos reads 3"):
        Journal(path)


def test_a_page_comes_back_byte_for_byte_and_damage_is_seen(tmp_path: Path) -> None:
    async def main() -> None:
        journal = open_journal(tmp_path / "j.db")
        space = AddressSpace("")
        call = Call("000000000", "read_file", '{"path": "a\\u0000b"}')
        page = space.new_page("assistant", "a\0b \u202e ünïcode\r\n", 7, calls=(call,))
        await journal.commit(write_page(4, 0, page, 3))
        [(back, resident, limit)] = await journal.read(lambda c: read_pages(c, 4, 0))
        assert (back, resident, limit) == (page, True, 3)
        await journal.commit([("UPDATE frame SET text = 'changed'", ())])
        with pytest.raises(SwapDamaged, match="page 0 of process 4"):
            await journal.read(lambda c: read_pages(c, 4, 0))
        journal.close()

    asyncio.run(main())
