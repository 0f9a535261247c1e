"""A search sees the owners that it names, and nothing of any other moves what it finds."""

from __future__ import annotations

from llmos.memory.corpus import Scope
from llmos.memory.recall import Hit, Index
from memories import WordEmbedder, add_all, store

MINE = ["the key is under the mat", "dinner is at eight", "the cat sleeps", "call the bank"]
YOURS = ["the key is in the safe", "the key opens the cellar", "key key key"]


async def filled(*owners: tuple[str, list[str]]) -> Index:
    index = Index(store(), WordEmbedder())
    for owner, texts in owners:
        add_all(index, owner, texts)
    while await index.embed_pending():
        pass
    return index


def seen(hits: list[Hit]) -> list[tuple[str, int, float]]:
    return [(hit.owner, hit.page, round(hit.score, 3)) for hit in hits]


async def test_only_the_named_owners_pages_come() -> None:
    index = await filled(("1", MINE), ("2", YOURS))
    assert {hit.owner for hit in await index.search("where is the key", 99, ["1"])} == {"1"}
    assert {hit.owner for hit in await index.search("where is the key", 99, ["2"])} == {"2"}
    both = await index.search("where is the key", 99, ["1", "2"])
    assert len(both) == len(MINE) + len(YOURS)
    assert await index.search("key", 9, ["3"]) == []


async def test_what_another_owner_has_moves_no_score() -> None:
    """Not even the rarity of a word may tell that somebody else uses it."""
    alone, beside = await filled(("1", MINE)), await filled(("1", MINE), ("2", YOURS * 1))
    query = "where is the key to the cellar"
    alone_hits = await alone.search(query, 9, ["1"])
    beside_hits = await beside.search(query, 9, ["1"])
    assert seen(alone_hits) == seen(beside_hits)


async def test_a_fork_sees_its_parents_pages_up_to_the_fork() -> None:
    index = await filled(("1", MINE), ("2", ["my own page about dinner"]))
    hits = await index.search("dinner", 9, [Scope("1", before=2), "2"])
    assert {(hit.owner, hit.page) for hit in hits} == {("1", 0), ("1", 1), ("2", 0)}
    shorter = await filled(("1", MINE[:2]), ("2", ["my own page about dinner"]))
    assert seen(hits) == seen(await shorter.search("dinner", 9, ["1", "2"]))


async def test_what_was_forgotten_is_gone() -> None:
    index = await filled(("1", MINE), ("2", YOURS))
    index.forget("2")
    assert await index.search("key", 9, ["2"]) == []
    assert len(await index.search("key", 9, ["1"])) == len(MINE)
