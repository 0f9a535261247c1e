"""PDF: the text of each page, under the outline's entry that it belongs to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pypdfium2
from semantic_text_splitter import TextSplitter

from .passage import PROSE, Passage, Section, Unreadable, split

_BROKEN_WORD = re.compile("[\ufffe\x02]\n")
"""A word that goes on in the next line, as PDFium says it."""
_NUMBER = re.compile(r"\d+")


def passages(data: bytes) -> Iterator[Passage]:
    """Raises Unreadable."""
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise Unreadable(f"it cannot be opened as PDF: {error}") from None
    pages = [_text(page) for page in pdf]
    if not any(page.strip() for page in pages):
        raise Unreadable("no page of it has text (pictures of text are not read)")
    headings = _headings(pdf, len(pages))
    splitter = TextSplitter(PROSE, trim=False)
    for number, text in enumerate(_without_running_titles(pages), 1):
        for passage in split([Section(headings[number - 1], text)], splitter):
            yield Passage(passage.heading, passage.text, number, number)


def _text(page: pypdfium2.PdfPage) -> str:
    text: str = page.get_textpage().get_text_bounded()
    return _BROKEN_WORD.sub("", text.replace("\r\n", "\n"))


def _headings(pdf: pypdfium2.PdfDocument, num_pages: int) -> list[tuple[str, ...]]:
    """For each page the first entry of the outline that begins there, or the last one before."""
    path: list[str] = []
    first: dict[int, tuple[str, ...]] = {}
    last: dict[int, tuple[str, ...]] = {}
    for entry in pdf.get_toc():
        path = [*path[: entry.level], " ".join(entry.get_title().split())]
        target = entry.get_dest()
        page = target.get_index() if target is not None else None
        if page is not None:
            last[page] = tuple(filter(None, path))
            first.setdefault(page, last[page])
    found: list[tuple[str, ...]] = []
    heading: tuple[str, ...] = ()
    for page in range(num_pages):
        found.append(first.get(page, heading))
        heading = last.get(page, heading)
    return found


def _without_running_titles(pages: list[str]) -> list[str]:
    """Without a first and a last line that most pages have, but for numbers in it."""
    split_up = [page.strip("\n").split("\n") for page in pages]
    ends = Counter(title for lines in split_up for title in {_title(lines[0]), _title(lines[-1])})
    running = {title for title, count in ends.items() if count > max(2, len(pages) / 2)}
    for lines in split_up:
        for at in (-1, 0):
            if lines and _title(lines[at]) in running:
                del lines[at]
    return ["\n".join(lines) for lines in split_up]


def _title(line: str) -> str:
    return _NUMBER.sub("#", line.strip())
