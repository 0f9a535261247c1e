"""A search within a number of tokens returns the best pages that fit, and never more."""

from __future__ import annotations

import pytest

from llmos.memory.recall import Index
from memories import WordEmbedder, add_all, store

PAGES = ["budget " * 40, "the budget is nine thousand", "nothing here", "budget talks " * 3]


@pytest.mark.parametrize("max_tokens", [0, 1, 5, 6, 11, 40, 1000])
async def test_what_is_returned_fits(max_tokens: int) -> None:
    index = Index(store(), WordEmbedder())
    add_all(index, "1", PAGES)
    hits = await index.search_within("budget", max_tokens, ["1"])
    assert sum(hit.num_tokens for hit in hits) <= max_tokens
    assert len({hit.page for hit in hits}) == len(hits)


async def test_a_page_that_is_too_large_gives_way_to_smaller_ones() -> None:
    index = Index(store())
    add_all(index, "1", PAGES)
    hits = await index.search_within("budget", 12, ["1"])
    assert {1, 3} <= {hit.page for hit in hits}


async def test_all_pages_come_when_all_fit() -> None:
    index = Index(store())
    add_all(index, "1", PAGES)
    assert len(await index.search_within("budget", 1000, ["1"])) == len(PAGES)
