"""HTML: the main part of a page becomes Markdown, and knows which line of the file it was."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, Comment, Tag
from markdownify import MarkdownConverter

from . import markdown
from .passage import Passage, Section, clean, split

_NOT_TEXT = "script style noscript template svg iframe form button nav".split()
_AROUND = "header footer aside".split()
_BLOCKS = "h1 h2 h3 h4 h5 h6 p li pre td th dt dd blockquote figcaption caption".split()
_ANCHORS = {"", "§", "¶", "#"}
"""What a link beside a heading says, by which one can point to it."""
_OPEN, _CLOSE = "\ue000", "\ue001"
"""Around a line number, while the text is Markdown: characters of no script."""
_MARK = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")


def passages(text: str) -> Iterator[Passage]:
    soup = BeautifulSoup(text.replace(_OPEN, "").replace(_CLOSE, ""), "html.parser")
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    main = _main_part(soup)
    for tag in main.find_all(_BLOCKS):
        if tag.sourceline is not None:
            tag.insert(0, f"{_OPEN}{tag.sourceline}{_CLOSE}")
    converter = MarkdownConverter(heading_style="ATX", strip=["a", "img"], escape_misc=False)
    line = 1
    for passage in split(_sections(converter.convert_soup(main), title), markdown.splitter()):
        marks = [int(number) for number in _MARK.findall(passage.text)]
        first = marks[0] if marks else line
        line = max([line, *marks])
        after = passage.text.rpartition(_CLOSE)[2].count("\n") if marks else 0
        shown = clean(_MARK.sub("", passage.text))
        if shown:
            yield Passage(passage.heading, shown, first, line + after)


def _sections(written: str, title: str) -> Iterator[Section]:
    for section in markdown.sections(written):
        names = [_MARK.sub("", name).strip() for name in (title, *section.headings)]
        yield Section(tuple(dict.fromkeys(filter(None, names))), section.text, section.line)


def _main_part(soup: BeautifulSoup) -> Tag:
    """What the page is about, without what stands around it on every page of the site."""
    main = soup.find("main") or soup.find(role="main") or soup.find("article")
    body = main or soup.body or soup
    for tag in body.find_all(_NOT_TEXT if main else _NOT_TEXT + _AROUND):
        tag.decompose()
    for link in body.find_all("a"):
        if link.get_text().strip() in _ANCHORS and not link.find("img"):
            link.decompose()
    for comment in body.find_all(string=lambda found: isinstance(found, Comment)):
        comment.extract()
    return body
