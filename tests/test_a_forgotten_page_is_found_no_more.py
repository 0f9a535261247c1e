"""What an agent forgets is recalled no more: by its words, by its meaning, after a rebuild."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from llmos.kernel.engine.driver import Capacity
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.memory import recall_store
from llmos.memory.recall import Index
from llmos.memory.semantic import SemanticIndex
from memories import WordEmbedder, add_all, store
from simulation import simulate
from talking import agent, call, say, talk_past

SMALL = Capacity(max_num_seqs=4, window_tokens=600, kv_cache_tokens=6000)
FACT = "the spare key is under the blue flowerpot"
TOOLS = ("forget", "recall", "page_in")
PAGES = ["the anchor sinks", "the candle burns", "the lantern shines"]


def indexed(folder: Path) -> list[str]:
    """Texts that the index of recall holds."""
    with sqlite3.connect(folder / "recall.db") as library:
        return [text for (text,) in library.execute("SELECT text FROM recall_page ORDER BY id")]


def test_it_is_gone_from_recall_and_from_its_index_and_stays_in_swap(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await agent(kernel, *TOOLS)
        await say(kernel, process, FACT)
        await talk_past(kernel, process)
        assert FACT in await call(kernel, process, "recall", query="flowerpot")
        assert FACT in indexed(tmp_path)
        await call(kernel, process, "forget", page=0)
        await call(kernel, process, "forget", page=1)  # the answer, which says it again
        assert FACT not in await call(kernel, process, "recall", query="flowerpot")
        assert FACT not in indexed(tmp_path)
        assert (await call(kernel, process, "page_in", page=0)).endswith(FACT)

    simulate(tmp_path, main, capacity=SMALL)
    for file in tmp_path.glob("recall.db*"):
        file.unlink()

    async def later(kernel: Kernel, _: SimulatedDriver) -> None:
        process = kernel.table.find(2)
        assert "chat" in await call(kernel, process, "recall", query="chat")
        assert FACT not in await call(kernel, process, "recall", query="flowerpot")
        assert FACT not in indexed(tmp_path)

    simulate(tmp_path, later, capacity=SMALL)


def test_a_fork_that_forgets_leaves_it_to_its_parent(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await agent(kernel, *TOOLS)
        await say(kernel, parent, FACT)
        await talk_past(kernel, parent)
        child = await kernel.fork(parent)
        await call(kernel, child, "forget", page=0)
        await call(kernel, child, "forget", page=1)
        assert FACT not in await call(kernel, child, "recall", query="flowerpot")
        assert FACT in await call(kernel, parent, "recall", query="flowerpot")

    simulate(tmp_path, main, capacity=SMALL)


async def test_every_key_to_it_goes_from_tables_and_from_memory() -> None:
    connection = store()
    index = Index(connection, WordEmbedder())
    add_all(index, "own", PAGES)
    add_all(index, "other", PAGES)
    await index.embed_pending()
    assert (await index.search("candle", 1, ["own"]))[0].page == 1
    index.forget_page("own", 1)
    assert 1 not in [hit.page for hit in await index.search("candle", 3, ["own"])]
    assert (await index.search("candle", 1, ["other"]))[0].page == 1
    for table in ("recall_page", "recall_vector", "recall_term"):
        rows = connection.execute(f"SELECT DISTINCT id FROM {table} WHERE owner = 'own'").fetchall()
        assert len(rows) == 2, table


async def test_it_goes_from_chroma_too(tmp_path: Path) -> None:
    connection = store()
    for sql, parameters in recall_store.use_semantic_index("own"):
        connection.execute(sql, parameters)
    index = Index(connection, WordEmbedder())
    add_all(index, "own", PAGES)
    await index.embed_pending()
    semantic = SemanticIndex(tmp_path / "chroma", "words", 64)
    semantic.drain(connection)
    (vector,) = await WordEmbedder().embed(["the candle burns"])
    assert len(semantic.nearest("own", vector, 9)) == 3
    index.forget_page("own", 1)
    semantic.drain(connection)
    found = semantic.nearest("own", vector, 9)
    assert sorted(number for number, _ in found) == [1, 3]
    assert semantic.check(connection) == []
    semantic.close()
