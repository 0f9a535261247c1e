"""A passage: a small piece of a document that is found, and cited, by itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

Unit = Literal["line", "page"]

PROSE = (300, 800)
"""Characters: about a paragraph. A passage is full somewhere in this range."""
CODE = (600, 1600)
"""A function is better whole."""
SLICE = 50_000

_ODD = {
    code: None
    for code in (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xAD, 0x200B, 0x2060, 0xFEFF)
}
"""Control characters, soft hyphens, widths of nothing."""
_TRAILING = re.compile(r"[ \t\r]+$", re.MULTILINE)
_GAPS = re.compile(r"\n{3,}")
_WORD = re.compile(r"\w")


class Unreadable(Exception):
    """A file that is no document; the message says why."""


@dataclass(frozen=True, slots=True)
class Passage:
    """`heading` says where in the document it stands, from the widest to the narrowest. `first` and
    `last` are lines of the file, or pages, from 1."""

    heading: str
    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Document:
    """What was read of one file. `digest` is the SHA-256 of its bytes."""

    digest: str
    unit: Unit
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document under one heading; `line` is that of its first character."""

    headings: tuple[str, ...]
    text: str
    line: int = 1


class Splitter(Protocol):
    """As in semantic-text-splitter: a text, cut where it means to be cut."""

    def chunk_indices(self, text: str, /) -> list[tuple[int, str]]: ...


def split(sections: Iterable[Section], splitter: Splitter) -> Iterator[Passage]:
    """The passages of a document. None crosses a heading."""
    for section in sections:
        heading = " > ".join(section.headings)
        for offset, piece in _pieces(section.text, splitter):
            inner = piece.lstrip("\n")
            first = section.line + section.text.count("\n", 0, offset + len(piece) - len(inner))
            inner = inner.rstrip()
            text = clean(inner)
            if _WORD.search(text):
                yield Passage(heading, text, first, first + inner.count("\n"))


def _pieces(text: str, splitter: Splitter) -> Iterator[tuple[int, str]]:
    """(offset, piece). A long text is cut first: splitters take the square of its length."""
    start = 0
    while start < len(text):
        end = start + SLICE
        if end < len(text):
            for gap in ("\n\n", "\n", " "):
                at = text.rfind(gap, start + SLICE // 2, end)
                if at >= 0:
                    end = at + len(gap)
                    break
        for offset, piece in splitter.chunk_indices(text[start:end]):
            yield start + offset, piece
        start = end


def clean(text: str) -> str:
    """Composed characters, no invisible ones, no trailing blanks. Indentation stays."""
    text = unicodedata.normalize("NFC", text).translate(_ODD)
    text = _GAPS.sub("\n\n", _TRAILING.sub("", text)).strip("\n")
    return text if "\n" in text else text.strip()
