"""Whatever happens to Chroma's folder, every page is found again: SQLite holds the truth."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from llmos.memory import recall_store
from llmos.memory.recall import Index
from llmos.memory.semantic import SemanticIndex
from memories import WordEmbedder, add_all, store

NOUNS = "anchor basket candle dagger engine feather garden hammer island jacket".split()
VERBS = "sinks burns shines breaks grows".split()
PAGES = [f"the {noun} {verb} by day {number}" for number, (noun, verb) in enumerate(
    (noun, verb) for noun in NOUNS for verb in VERBS
)]  # fmt: skip


async def fill(connection: sqlite3.Connection, pages: Sequence[str] = PAGES) -> None:
    for sql, parameters in recall_store.use_semantic_index("shared"):
        connection.execute(sql, parameters)
    index = Index(connection, WordEmbedder())
    add_all(index, "shared", pages)
    while await index.embed_pending(limit=256):
        pass


def drain(semantic: SemanticIndex, connection: sqlite3.Connection) -> None:
    while semantic.drain(connection):
        pass


async def every_page_is_found(connection: sqlite3.Connection, semantic: SemanticIndex) -> None:
    """By its meaning alone: what Chroma says, without words."""
    embedder = WordEmbedder()
    for page, text in enumerate(PAGES):
        (vector,) = await embedder.embed([text])
        (number, cosine), *_ = semantic.nearest("shared", vector, 3)
        assert (number, round(cosine, 2)) == (page + 1, 1.0)
    index = Index(connection, embedder, semantic, exact_pages=0)
    for page, text in enumerate(PAGES):
        hits = await index.search(text, 1, ["shared"])
        assert hits[0].page == page


def delete(folder: Path) -> None:
    shutil.rmtree(folder)


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path)


def scribble(folder: Path) -> None:
    for file in folder.rglob("*.sqlite3"):
        file.write_bytes(b"this is no database" * 999)


@pytest.mark.parametrize("harm", [delete, empty, scribble])
async def test_every_page_is_found_again(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    folder, connection = tmp_path / "chroma", store(tmp_path / "journal")
    await fill(connection)
    semantic = SemanticIndex(folder, "words", 64)
    drain(semantic, connection)
    assert semantic.check(connection) == []
    await every_page_is_found(connection, semantic)
    semantic.close()
    harm(folder)

    semantic = SemanticIndex(folder, "words", 64)
    (damage,) = semantic.check(connection)
    assert damage.owner == "shared" and "0 vectors" in damage.reason
    told: list[tuple[str, int, int]] = []
    semantic.rebuild(connection, "shared", lambda *progress: told.append(progress))
    assert told[-1] == ("shared", len(PAGES), len(PAGES))
    assert semantic.check(connection) == []
    await every_page_is_found(connection, semantic)
    semantic.close()


async def test_vectors_that_were_lost_are_noticed(tmp_path: Path) -> None:
    """More than a thousand: Chroma writes its vectors to files of their own only from then on."""
    folder, connection = tmp_path / "chroma", store()
    await fill(connection, [f"page number {number}" for number in range(1100)])
    semantic = SemanticIndex(folder, "words", 64)
    drain(semantic, connection)
    semantic.close()
    lost = list(folder.rglob("*.bin"))
    assert lost
    for file in lost:
        file.unlink()

    semantic = SemanticIndex(folder, "words", 64)
    (damage,) = semantic.check(connection)
    semantic.rebuild(connection, damage.owner)
    assert semantic.check(connection) == []
    (vector,) = await WordEmbedder().embed(["page number 77"])
    assert semantic.nearest("shared", vector, 1)[0][0] == 78
    semantic.close()


async def test_what_is_interrupted_is_done_again_and_changes_nothing(tmp_path: Path) -> None:
    connection = store()
    await fill(connection)
    semantic = SemanticIndex(tmp_path / "chroma", "words", 64)
    outbox = connection.execute("SELECT * FROM recall_outbox").fetchall()
    drain(semantic, connection)
    connection.executemany("INSERT INTO recall_outbox VALUES (?, ?, ?)", outbox)
    drain(semantic, connection)
    assert semantic.check(connection) == []
    await every_page_is_found(connection, semantic)
    semantic.close()


async def test_vectors_of_another_model_are_not_mixed_in(tmp_path: Path) -> None:
    connection = store()
    await fill(connection)
    semantic = SemanticIndex(tmp_path / "chroma", "words", 64)
    drain(semantic, connection)
    semantic.close()
    other = SemanticIndex(tmp_path / "chroma", "another", 32)
    assert other.check(connection) == []  # no page has a vector of it yet
    assert other.nearest("shared", (await WordEmbedder().embed(["x"]))[0][:32], 5) == []
    other.close()


async def test_what_is_forgotten_leaves_the_semantic_index(tmp_path: Path) -> None:
    connection = store()
    await fill(connection)
    semantic = SemanticIndex(tmp_path / "chroma", "words", 64)
    drain(semantic, connection)
    Index(connection).forget("shared")
    drain(semantic, connection)
    assert semantic.nearest("shared", (await WordEmbedder().embed(["x"]))[0], 5) == []
    semantic.close()
