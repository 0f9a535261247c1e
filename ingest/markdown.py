"""Markdown: a section for each heading, with those that it stands under."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from markdown_it import MarkdownIt
from semantic_text_splitter import MarkdownSplitter

from .passage import PROSE, Passage, Section, split

_PARSER = MarkdownIt("commonmark", {"maxNesting": 50})


def passages(text: str) -> Iterator[Passage]:
    return split(sections(text), splitter())


def splitter() -> MarkdownSplitter:
    return MarkdownSplitter(PROSE, trim=False)


def sections(text: str, above: tuple[str, ...] = ()) -> Iterator[Section]:
    """`above` are headings over the whole text. A section begins with the line of its heading."""
    lines = text.split("\n")
    path: list[tuple[int, str]] = []
    first = 0
    for line, level, title in _headings(text):
        yield Section(_names(path, above), "\n".join(lines[first:line]), first + 1)
        path = [(depth, name) for depth, name in path if depth < level] + [(level, title)]
        first = line
    yield Section(_names(path, above), "\n".join(lines[first:]), first + 1)


def _names(path: list[tuple[int, str]], above: tuple[str, ...]) -> tuple[str, ...]:
    return (*above, *(name for _, name in path if name and name not in above))


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """(line from 0, level, title) of the headings that stand in no list and no quotation."""
    tokens = _PARSER.parse(text)
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            title = "".join(
                part.content if part.type in ("text", "code_inline") else " "
                for part in inline.children or ()
                if part.type in ("text", "code_inline", "softbreak")
            )
            yield token.map[0], int(token.tag[1:]), " ".join(title.split())
