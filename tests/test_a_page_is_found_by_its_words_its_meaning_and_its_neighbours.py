"""An index finds a page by any of its words, by what it means, and by what stands around it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from llmos.memory.embedding import EmbeddingProcess
from llmos.memory.recall import Index
from memories import add_all, store

PAGES = (
    "The deployment to the Oslo cluster failed because the certificate had expired.",
    "Let us have lunch on the terrace.",
    "My dog Rex ate the whole birthday cake.",
    "Please book two seats on the night train to Vienna.",
    "Which paint did you buy for the kitchen wall?",
    "The one with number 4417, it dries within an hour.",
    "The quarterly report is due at the end of the month.",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def index() -> AsyncIterator[Index]:
    embedder = EmbeddingProcess()
    index = Index(store(), embedder)
    add_all(index, "1", PAGES)
    while await index.embed_pending():
        pass
    yield index
    await embedder.close()


def words_only() -> Index:
    index = Index(store())
    add_all(index, "1", PAGES)
    return index


@pytest.mark.parametrize("page", range(len(PAGES)))
async def test_any_rare_word_of_a_page_finds_it_without_an_embedding(page: int) -> None:
    index = words_only()
    others = " ".join(text for number, text in enumerate(PAGES) if number != page).lower()
    own = re.findall(r"\w{4,}", PAGES[page].lower())  # Porter's stem of "one" is "on"
    rare = [word for word in own if word not in others]
    assert rare
    for word in rare:
        hits = await index.search(f"{word}?", 1, ["1"])
        assert hits[0].page == page, word


async def test_a_word_is_found_in_another_form() -> None:
    hits = await words_only().search("expiring certificates", 1, ["1"])
    assert hits[0].page == 0
    assert hits[0].matched == ("expiring", "certificates")


@pytest.mark.parametrize(
    ("question", "page"),
    [
        ("Does anybody own a pet?", 2),
        ("What did we travel by to Austria's capital, a railway?", 3),
        ("Where shall we eat at noon, outdoors?", 1),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_is_found_by_its_meaning(index: Index, question: str, page: int) -> None:
    assert (await index.search(question, 1, ["1"]))[0].page == page


async def test_an_answer_is_found_by_the_question_before_it() -> None:
    """Page 5 has no word of the query; page 4, before it, has them all."""
    pages = [hit.page for hit in await words_only().search("paint kitchen wall", 2, ["1"])]
    assert pages == [4, 5]


async def test_a_hit_says_why_it_is_one() -> None:
    (hit,) = await words_only().search("birthday cake", 1, ["1"])
    assert "birthday" in hit.why and "words" in hit.why


@pytest.mark.parametrize("query", ["", "?", '"; DROP TABLE recall_page; --', "\ud800", "x" * 9999])
async def test_any_text_is_a_query(query: str) -> None:
    assert len(await words_only().search(query, 3, ["1"])) == 3


@pytest.mark.parametrize("aside", ["", " :)", " [photo: a garden]"])
async def test_who_asks_comes_after_who_tells_and_an_answer_comes_forward(aside: str) -> None:
    found = []
    for end in ".?":
        index = Index(store())
        talk = (f"The kitchen wall is blue{end}{aside}", "Yes, since Tuesday, by my sister.")
        longer = "The wall of our kitchen is blue, and has been for years."
        add_all(index, "1", (*PAGES[:4], *talk, *PAGES[1:4], longer, *PAGES[6:]))
        found.append([hit.page for hit in await index.search("kitchen wall blue", 9, ["1"])])
    told, asked = found
    assert told[:2] == [4, 9] and asked[:2] == [9, 4], (told, asked)
    assert asked.index(5) == 2 < told.index(5), (told, asked)
