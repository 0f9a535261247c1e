"""A page is found by the date it was written on, and a search can be limited to a time."""

from __future__ import annotations

import pytest

from llmos.memory.recall import Index, When
from memories import DAY, MAY_8, add_all, store

PAGES = ["we talked about the garden", "we talked about the roof", "we talked about the car"]


@pytest.fixture
def index() -> Index:
    index = Index(store())
    add_all(index, "1", PAGES)
    return index


@pytest.mark.parametrize(
    ("query", "page"),
    [("what did we talk about on 9 May 2026?", 1), ("last Sunday, 10 May", 2), ("Friday", 0)],
)
async def test_a_date_in_the_query_finds_the_page(index: Index, query: str, page: int) -> None:
    assert (await index.search(query, 1, ["1"]))[0].page == page


async def test_a_search_can_be_limited_to_a_time(index: Index) -> None:
    async def pages(when: When) -> set[int]:
        return {hit.page for hit in await index.search("we talked", 9, ["1"], when)}

    assert await pages(When(start=MAY_8 + DAY)) == {1, 2}
    assert await pages(When(end=MAY_8 + DAY)) == {0}
    assert await pages(When(MAY_8 + DAY, MAY_8 + 2 * DAY)) == {1}
    assert await pages(When(MAY_8 + 9 * DAY)) == set()
