"""What recall keeps comes from swap: killed, deleted, damaged, mixed up, it finds the same."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from llmos.kernel.journal import Journal
from llmos.kernel.storage import open_journal
from llmos.memory.address_space import AddressSpace
from llmos.memory.corpus import Scope
from llmos.memory.library import Library, Wanted
from llmos.memory.recall_process import RecallProcess
from llmos.memory.swap import write_page
from memories import WordEmbedder

TEXTS = ["the cat sleeps in the attic", "rent is due on Monday", "the spare key hangs in the shed"]
WANTED = Wanted("where is the key", (Scope("3.0"),), k=1)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = open_journal(tmp_path / "llmos.db")
    space = AddressSpace("")
    for text in TEXTS:
        page = space.new_page("user", text, len(text.split()))
        space.append(page)
        await journal.commit(write_page(3, 0, page, None))
    yield journal
    journal.close()


async def found(library: Library) -> list[int]:
    return [hit.page for hit in await library.search(WANTED)]


async def kept_up(library: Library) -> None:
    while library.catch_up():
        pass
    while await library.embed():
        pass
    await library.tend_semantic_index()


async def test_a_killed_process_is_replaced_and_finds_the_same(journal: Journal) -> None:
    recall = RecallProcess(journal.path, "-")
    assert await recall.status() is None, "it does not run before it is needed"
    for _ in range(3):
        assert [hit.page for hit in await recall.search(WANTED)] == [2]
        assert recall.pid is not None
        os.kill(recall.pid, signal.SIGKILL)
    await recall.close()


async def test_a_damaged_index_is_made_anew(journal: Journal) -> None:
    recall = RecallProcess(journal.path, "-")
    assert [hit.page for hit in await recall.search(WANTED)] == [2]
    await recall.close()
    database = journal.path.with_name("recall.db")
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    content = bytearray(database.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    database.write_bytes(content)
    recall = RecallProcess(journal.path, "-")
    assert [hit.page for hit in await recall.search(WANTED)] == [2]
    await recall.close()


async def test_the_index_of_another_journal_says_nothing(journal: Journal, tmp_path: Path) -> None:
    library = Library(journal.path, tmp_path / "recall.db")
    assert await found(library) == [2]
    library.close()
    other = open_journal(tmp_path / "other.db")
    library = Library(other.path, tmp_path / "recall.db")
    assert await found(library) == []
    library.close()
    other.close()


async def test_pages_that_come_are_found_at_once(journal: Journal, tmp_path: Path) -> None:
    library = Library(journal.path, tmp_path / "recall.db")
    assert await found(library) == [2]
    page = AddressSpace.resumed("", [], 3).new_page("user", "the key, the key, the key", 6)
    await journal.commit(write_page(3, 0, page, None))
    assert library.status().behind == 1
    assert 3 in [hit.page for hit in await library.search(replace(WANTED, k=9))]
    assert library.status().behind == 0
    library.close()


@pytest.mark.parametrize("harm", ["nothing", "deleted", "other model"])
async def test_a_large_owners_vectors_are_in_chroma_and_come_back(
    journal: Journal, tmp_path: Path, harm: str
) -> None:
    database, chroma = tmp_path / "recall.db", tmp_path / "chroma"
    library = Library(journal.path, database, WordEmbedder(), chroma, exact_pages=2)
    await kept_up(library)
    assert any(chroma.rglob("*")), "the owner is large enough"
    assert await found(library) == [2]
    library.close()

    embedder = WordEmbedder()
    if harm == "deleted":
        shutil.rmtree(chroma)
    elif harm == "other model":
        embedder.name = "other words"
    library = Library(journal.path, database, embedder, chroma, exact_pages=2)
    await kept_up(library)
    status = library.status()
    assert (status.unembedded, status.trouble, status.rebuilding) == (0, "", "")
    assert await found(library) == [2]
    assert library.check_semantic_index() == []
    library.close()
    with sqlite3.connect(next(chroma.rglob("chroma.sqlite3"))) as connection:
        assert connection.execute("SELECT count(*) FROM collections").fetchone() == (1,)


async def test_a_second_process_is_kept_out_of_chroma(journal: Journal, tmp_path: Path) -> None:
    chroma = tmp_path / "chroma"
    first = Library(journal.path, tmp_path / "one.db", WordEmbedder(), chroma, exact_pages=2)
    await kept_up(first)
    second = Library(journal.path, tmp_path / "two.db", WordEmbedder(), chroma, exact_pages=2)
    await kept_up(second)
    assert "is in use by process" in second.status().trouble
    assert await found(second) == [2], "words find it all the same"
    first.close()
    second.close()
