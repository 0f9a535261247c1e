"""Of an owner with too many pages to look at each an excerpt is searched: it finds the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from llmos.memory import postings, recall_store
from llmos.memory.corpus import Scope
from llmos.memory.recall import Index, When
from llmos.memory.semantic import SemanticIndex
from memories import DAY, MAY_8, WordEmbedder, add_all, store

COLOURS = "amber azure beige coral ebony green ivory mauve ochre olive".split()
THINGS = "anchor basket candle dagger engine feather garden hammer island jacket".split()
PAGES = [
    f"the {COLOURS[number // 10 % 10]} {THINGS[number % 10]} is kept in room {number}"
    for number in range(600)
]


@pytest.fixture
async def both(tmp_path: Path) -> tuple[Index, Index, sqlite3.Connection]:
    """The same pages, searched each, and by an excerpt out of segments and Chroma."""
    connection = store()
    for sql, parameters in recall_store.use_semantic_index("o"):
        connection.execute(sql, parameters)
    embedder = WordEmbedder()
    small = Index(connection, embedder)
    add_all(small, "o", PAGES[:500])
    small.seal("o", least=100)
    add_all_from(small, 500)
    add_all(small, "another", [f"zebra {number} sleeps in the shade" for number in range(50)])
    while await small.embed_pending(256):
        pass
    semantic = SemanticIndex(tmp_path / "chroma", embedder.name, 64)
    while semantic.drain(connection):
        pass
    return small, Index(connection, embedder, semantic, exact_pages=100), connection


def add_all_from(index: Index, first: int) -> None:
    for page in range(first, len(PAGES)):
        entry = recall_store.Entry("o", page, PAGES[page], 9, MAY_8 + page * DAY)
        index.add(entry)


async def test_the_best_page_is_the_same(both: tuple[Index, Index, sqlite3.Connection]) -> None:
    small, large, _ = both
    assert large.is_large("o") and not large.is_large("another") and not small.is_large("o")
    for number in range(0, 600, 7):
        question = f"where is the {COLOURS[number // 10 % 10]} {THINGS[number % 10]}, room {number}"
        (expected,) = await small.search(question, 1, ["o"])
        (found,) = await large.search(question, 1, ["o"])
        assert expected.page == found.page == number
        assert set(found.views) == set(expected.views)
        assert found.matched == expected.matched
        assert found.similarity == pytest.approx(expected.similarity, abs=0.01)


async def test_words_alone_find_it(both: tuple[Index, Index, sqlite3.Connection]) -> None:
    _, _, connection = both
    by_words = Index(connection, exact_pages=100)
    for number in (3, 499, 500, 577):
        hits = by_words.find(by_words.ask_by_words(f"what is in room {number}"), ["o"], k=1)
        assert [hit.page for hit in hits] == [number]


async def test_small_and_large_owners_are_searched_together(
    both: tuple[Index, Index, sqlite3.Connection],
) -> None:
    _, large, _ = both
    for owners in (["another", "o"], ["o", "another"]):
        (hit,) = await large.search(PAGES[107], 1, owners)
        assert (hit.owner, hit.page) == ("o", 107)
        (hit,) = await large.search("does zebra 7 sleep in the shade", 1, owners)
        assert (hit.owner, hit.page) == ("another", 7)


async def test_what_is_out_of_scope_is_not_found(
    both: tuple[Index, Index, sqlite3.Connection],
) -> None:
    _, large, _ = both
    hits = await large.search("what is kept in room 577", 600, [Scope("o", 577)])
    assert hits and max(hit.page for hit in hits) < 577
    assert await large.search("what is kept in room 577", 600, [Scope("o", 0)]) == []


async def test_a_day_is_found_whatever_its_pages_say(
    both: tuple[Index, Index, sqlite3.Connection],
) -> None:
    _, large, _ = both
    when = When(MAY_8 + 40 * DAY, MAY_8 + 43 * DAY)
    hits = await large.search("zebra", 10, ["o"], when)
    assert sorted(hit.page for hit in hits) == [40, 41, 42]
    assert await large.search("room", 10, ["o"], When(0, 1)) == []


async def test_a_forgotten_page_leaves_no_word_in_a_segment(
    both: tuple[Index, Index, sqlite3.Connection],
) -> None:
    _, large, connection = both
    assert postings.count_pages(connection, "o") == 600
    row = recall_store.row_of(connection, "o", 123)
    large.forget_page("o", 123)
    assert postings.count_pages(connection, "o") == 599
    for (term,) in connection.execute("SELECT DISTINCT term FROM recall_segment").fetchall():
        assert row not in postings.read(connection, "o", term)[:, 0]
    hits = await large.search(PAGES[123], 600, ["o"])
    assert 123 not in [hit.page for hit in hits]
    (hit,) = await large.search(PAGES[124], 1, ["o"])
    assert hit.page == 124


async def test_a_seal_changes_no_posting() -> None:
    connection = store()
    index = Index(connection)
    for first in (0, 200, 400):
        for page in range(first, first + 200):
            index.add(recall_store.Entry("o", page, f"{PAGES[page]} {'again ' * page}", 9, MAY_8))
        before = {
            term: postings.read(connection, "o", term).tolist()
            for term in ("again", "room", "amber", "may", "150", "350", "nothing")
        }
        index.seal("o", least=200)
        assert connection.execute("SELECT count(*) FROM recall_term").fetchone() == (0,)
        for term, rows in before.items():
            assert postings.read(connection, "o", term).tolist() == rows
            behind = [row for row in rows if row[0] > 150]
            assert postings.read(connection, "o", term, 150).tolist() == behind
