"""What the pilot is examined in, it was not trained on: sentences, names and tools are others."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from llmos.pilot import plugin_scenes, words
from llmos.pilot.corpus import Mix, conversations
from llmos.pilot.grammar import GRAMMARS, blocks, pool
from llmos.pilot.held_out import plugins, pools
from llmos.pilot.held_out.fence import bare, is_held_out, wordings_of_all
from llmos.pilot.held_out.questions import questions

WORDS = {"nouns", "adjectives", "verbs", "names"}
_TOKEN = re.compile(r"[\[\]|]|\{\w+\}|[^\[\]|{}]+|.")


def templates() -> Iterator[str]:
    for path in GRAMMARS.glob("*.txt"):
        if path.stem not in WORDS:
            yield from itertools.chain.from_iterable(blocks(path.stem).values())


def pattern(template: str) -> str:
    """Matches every sentence of a corpus template, spaces taken out, slots shown as `$`."""
    parts = []
    for token in _TOKEN.findall(template):
        if token in "[]|":
            parts.append({"[": "(?:", "]": ")", "|": "|"}[token])
        elif token.startswith("{"):
            parts.append(r"\$")
        else:
            parts.append(re.escape(token.replace(" ", "")))
    return "".join(parts)


def sentences(template: str) -> Iterator[str]:
    """All that a held-out template can make, slots shown as `$`; brackets do not nest there."""
    pieces = re.split(r"\[([^\[\]]*)\]", template)
    choices = [[p] if i % 2 == 0 else p.split("|") for i, p in enumerate(pieces)]
    for chosen in itertools.product(*choices):
        yield bare(re.sub(r"\{\w+\}", "$", "".join(chosen))).replace(" ", "")


@pytest.fixture(scope="module")
def corpus_patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [
        (template, re.compile(pattern(template)))
        for template in templates()
        if re.search(r"[a-z]{2}", re.sub(r"\{\w+\}", "", template))
    ]


def test_the_patterns_do_know_what_the_corpus_says(
    corpus_patterns: list[tuple[str, re.Pattern[str]]],
) -> None:
    """Or the test below could not fail."""
    for sentence in ("listthefileshere", "read$", "whatis$", "kill$"):
        assert any(known.fullmatch(sentence) for _, known in corpus_patterns), sentence


def test_no_wording_is_one_of_the_corpus(
    corpus_patterns: list[tuple[str, re.Pattern[str]]],
) -> None:
    same = {
        template: sentence
        for held_out in wordings_of_all()
        for sentence in sentences(held_out)
        for template, known in corpus_patterns
        if known.fullmatch(sentence)
    }
    assert not same


def test_the_fence_knows_every_question() -> None:
    assert [one.request for one in questions() if not is_held_out(_asked(one.request))] == []


def _asked(request: str) -> str:
    return request.replace("{pid}", "17")


def test_no_request_of_the_corpus_could_be_one_of_the_examination() -> None:
    """Whatever stands in the slots, and behind whatever politeness."""
    stretch = itertools.islice(conversations("stretch", Mix(), 3000), 400)
    said = {turn["content"] for one in stretch for turn in one.messages if turn["role"] == "user"}
    assert len(said) > 2000
    assert not {request for request in said if is_held_out(request)}


def test_no_name_is_one_of_the_corpus() -> None:
    assert not set(pools.NOUNS) & {*words.NOUNS, *words.ADJECTIVES, *words.VERBS}
    assert not set(pools.PEOPLE) & {*words.PEOPLE, *pool("names", "surnames")}
    assert not set(pools.PLACES) & set(words.PLACES)
    known = {*words.COMMON_FILES, *words.COMMON_FOLDERS}
    assert not {path for question in questions() for path in question.files} & known


def test_no_tool_is_one_of_the_corpus() -> None:
    names = {sample.tool.name for sample in plugin_scenes.samples()}
    descriptions = {sample.tool.description.lower() for sample in plugin_scenes.samples()}
    for sample in plugins.SAMPLES:
        assert sample.name not in names
        assert sample.description.lower() not in descriptions


def test_the_examination_is_the_same_each_time() -> None:
    assert questions() == questions()
