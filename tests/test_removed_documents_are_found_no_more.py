"""What is removed from the knowledge base is gone: passages, words, vectors."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from harness import KernelProcess
from library import cited, llmos, search
from llmos.kernel.storage import open_journal
from llmos.memory import knowledge_store as store
from llmos.memory.corpus import Scope
from llmos.memory.knowledge_store import Excerpt, Source
from llmos.memory.library import Library, Wanted
from memories import WordEmbedder


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    for name, text in {"whales": "Whales sing.", "crabs": "Crabs walk sideways."}.items():
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\n{text}\n\n# Shared\n\nBoth swim.\n")
    return tmp_path


def names(kernel: KernelProcess, namespace: str, text: str) -> list[str]:
    """Of the files that any passage found stands in."""
    found = search(kernel, namespace, text, 9)
    return sorted({place[0] for one in found for place in cited(one)})


def test_a_removed_file_is_not_found(sim_kernel: KernelProcess, notes: Path) -> None:
    llmos(sim_kernel, "ingest", str(notes), "-n", "sea")
    assert names(sim_kernel, "sea", "whales crabs swim") == ["crabs.md", "whales.md"]
    file = str(notes / "whales.md")
    assert llmos(sim_kernel, "ingest", "--remove", file, "-n", "sea")["removed"] == 1
    assert names(sim_kernel, "sea", "whales crabs swim") == ["crabs.md"]
    assert not any("sing" in one["text"] for one in search(sim_kernel, "sea", "whales sing", 9))
    assert llmos(sim_kernel, "ingest", str(notes), "-n", "sea")["added"] == 1
    assert names(sim_kernel, "sea", "whales sing") == ["crabs.md", "whales.md"]


def test_files_that_are_gone_go_with_prune(sim_kernel: KernelProcess, notes: Path) -> None:
    llmos(sim_kernel, "ingest", str(notes), "-n", "gone")
    (notes / "crabs.md").unlink()
    assert llmos(sim_kernel, "ingest", str(notes), "-n", "gone")["removed"] == 0
    assert llmos(sim_kernel, "ingest", str(notes), "-n", "gone", "--prune")["removed"] == 1
    assert names(sim_kernel, "gone", "crabs walk") == ["whales.md"]


def test_a_folder_does_not_take_its_neighbour_along(
    sim_kernel: KernelProcess, tmp_path: Path
) -> None:
    for folder in ("sea", "sea_2", "sea%"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "note.md").write_text(f"# {folder}\n\nA note.\n")
    llmos(sim_kernel, "ingest", str(tmp_path), "-n", "near")
    gone = llmos(sim_kernel, "ingest", "--remove", str(tmp_path / "sea"), "-n", "near")
    assert gone["removed"] == 1


def test_a_dropped_namespace_is_empty_when_it_comes_again(
    sim_kernel: KernelProcess, notes: Path
) -> None:
    llmos(sim_kernel, "ingest", str(notes), "-n", "again", "--readers", "owner")
    assert llmos(sim_kernel, "kb", "again", "--drop")["removed"] == 2
    listed = llmos(sim_kernel, "kb")["namespaces"]
    assert "again" not in [one["name"] for one in listed]
    (notes / "crabs.md").unlink()
    llmos(sim_kernel, "ingest", str(notes), "-n", "again")
    assert names(sim_kernel, "again", "crabs walk sideways") == ["whales.md"]


async def test_neither_words_nor_vectors_stay(tmp_path: Path) -> None:
    """In recall's own database, and in Chroma."""
    journal = open_journal(tmp_path / "journal.db")
    for path in ("/whales.md", "/crabs.md"):
        await ingest(journal.path, path, [f"{path} number {n} swims" for n in range(20)])
    library = Library(
        journal.path, tmp_path / "recall.db", WordEmbedder(), tmp_path / "chroma", exact_pages=10
    )
    await settle(library)
    connection = sqlite3.connect(tmp_path / "recall.db")
    rows = {table: count(connection, table) for table in TABLES}
    question = Wanted("whales number", (Scope("kb:sea"),), k=40)
    assert len(await library.search(question)) == 40

    with sqlite3.connect(journal.path, isolation_level=None) as kernel:
        (number,) = kernel.execute("SELECT id FROM kb_document WHERE source = '/whales.md'")
        places = store.stale_places(kernel, number[0], None, 100)
        statements = store.delete_places(number[0], places)
        for page in store.orphans(kernel, number[0], places):
            statements += store.delete_passage(page)
        for sql, parameters in statements + store.delete_document(number[0]):
            kernel.execute(sql, parameters)

    found = await library.search(question)
    assert len(found) == 20
    assert {hit.page for hit in found} == set(range(21, 41))
    await settle(library)
    for table in TABLES:
        assert count(connection, table) == rows[table] // 2, table
    semantic = library._semantic
    assert semantic is not None
    assert semantic.check(library._connection) == []
    (vector,) = await WordEmbedder().embed(["whales"])
    assert len(semantic.nearest("kb:sea", vector, 100)) == 20
    library.close()
    journal.close()


TABLES = ("recall_page", "recall_term", "recall_vector")


def count(connection: sqlite3.Connection, table: str) -> int:
    (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


async def settle(library: Library) -> None:
    while library.catch_up() or await library.embed():
        await asyncio.sleep(0)
    await library.tend_semantic_index()


async def ingest(journal: Path, path: str, texts: list[str]) -> None:
    source = Source(path, 1, 1_778_227_200_000_000_000, path)
    with sqlite3.connect(journal, isolation_level=None) as connection:
        upload = store.begin(connection, "sea", path)
        found = store.document_of(connection, upload)
        assert found is not None
        for position, text in enumerate(texts):
            excerpt = Excerpt("", text, position + 1, position + 1)
            for statement in store.write_excerpt(
                "sea", source, found[0], upload, position, excerpt
            ):
                connection.execute(*statement)
        for statement in store.finish(found[0], upload, source):
            connection.execute(*statement)
