"""Plain text: bytes to characters, and paragraphs."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from charset_normalizer import from_bytes
from semantic_text_splitter import TextSplitter

from .passage import PROSE, Passage, Section, Unreadable, split

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""How a file can begin, the longer ones before those that they begin with."""
PEEK = 8192
LONGEST_LINE = 100_000
"""Longer ones are of minified code, of indexes, of data in the coat of text."""


def passages(data: bytes) -> Iterator[Passage]:
    """Raises Unreadable."""
    return split([Section((), written(data))], TextSplitter(PROSE, trim=False))


def decode(data: bytes) -> str:
    """UTF-8, what a byte order mark says, or the most likely encoding. Every line ends with a
    newline alone. Raises Unreadable."""
    text = _decoded(data)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def written(data: bytes) -> str:
    """A text that was written line by line. Raises Unreadable."""
    text = decode(data)
    longest = max(map(len, text.split("\n")))
    if longest > LONGEST_LINE:
        raise Unreadable(f"it has a line of {longest:,} characters: it was not made to be read")
    return text


def is_binary(beginning: bytes) -> bool:
    """As git judges it: text holds no NUL, unless a byte order mark says that it is wide."""
    return b"\0" in beginning[:PEEK] and not beginning.startswith(tuple(_MARKS))


def _decoded(data: bytes) -> str:
    if is_binary(data):
        raise Unreadable("it is binary")
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        best = from_bytes(data[: 1 << 20]).best()
        if best is None:
            raise Unreadable("its characters are in no known encoding") from None
        return data.decode(best.encoding, "replace")
