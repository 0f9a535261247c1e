"""While the vectors of what came a moment ago are computed, pages that have theirs already do not
push aside those that have not."""

from __future__ import annotations

import pytest

from llmos.memory.recall import Index
from memories import WordEmbedder, add_all, store

PAGES = [
    "The keeper trims the wick of the lamp at dusk.",
    "Sheep graze on the northern meadow until autumn.",
    "Every vessel reports its draught to the harbour office.",
    "The stairs have one hundred and ninety nine steps.",
    "Rope is sold by the fathom behind the chapel.",
    "A ferry crosses to the island on weekdays.",
]


@pytest.mark.parametrize("embedded", range(len(PAGES) + 1))
async def test_by_the_words_that_it_has(embedded: int) -> None:
    index = Index(store(), WordEmbedder())
    add_all(index, "p", [*PAGES[1:], PAGES[0]])
    if embedded:
        await index.embed_pending(embedded)
    (first, *_) = await index.search("who trims the wick of the lamp", 3, ["p"])
    assert first.page == len(PAGES) - 1


async def test_a_neighbour_with_a_vector_does_not_stand_in_for_it() -> None:
    index = Index(store(), WordEmbedder())
    add_all(
        index, "p", [f"The {word} of the lamp is old." for word in "case hook base glass".split()]
    )
    add_all(index, "q", ["A keeper trims the wick at dusk.", "Some other wick."])
    await index.embed_pending(4)
    found = await index.search("keeper trims the wick of the lamp at dusk", 6, ["p", "q"])
    assert (found[0].owner, found[0].page) == ("q", 0)
