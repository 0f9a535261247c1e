"""Quoting: how a page is shown that is long, or that comes back.

A long page is mapped, not read in: the window holds its beginning, of lines also the end, and how
to get the rest. A page that comes back does so as a copy at the end of the window, which says where
it is from.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from .page import Page

WHO = {"user": "what the user said", "assistant": "what you said", "tool": "what a tool answered"}

FEW_LINES = 8
"""A text of fewer lines is no list of lines, of which the end says something by itself."""

TAIL = 4
"""One part in so many of what is shown of a list of lines is its end."""


def cut_to(num_tokens: int, page_tokens: int, preview_tokens: int | None = None) -> int | None:
    """To how many tokens a page is cut that has `num_tokens`; None: it is read in whole. No page
    takes more than `page_tokens`. With `preview_tokens`, which is for results that can be paged in,
    what is clearly longer is mapped: cutting what is hardly longer saves less than reading the
    rest would cost."""
    if preview_tokens is not None and 3 * num_tokens > 5 * preview_tokens:
        return min(preview_tokens, page_tokens)
    return page_tokens if num_tokens > page_tokens else None


def whole(page: Page) -> str:
    """All that a page says: its text, and the calls that it asks for."""
    calls = (f"{call.name} {call.arguments}" for call in page.calls)
    return "\n".join(part for part in (page.text, *calls) if part)


def preview(page: Page, limit_tokens: int) -> str:
    """About `limit_tokens` of a page that has more, and a line that says how to read the rest."""
    text = page.text
    room = len(text) * limit_tokens // page.num_tokens
    end, tail = room, len(text)
    if text.count("\n", 0, room) >= FEW_LINES:
        end = text.rindex("\n", 0, room - room // TAIL) + 1
        tail = text.find("\n", len(text) - room // TAIL) + 1 or len(text)
    note = (
        f"(characters {end} to {tail} of {len(text)} are not shown;"
        f" page_in(page={page.vpn}, start={end}) reads them)"
    )
    return "\n".join(part for part in (text[:end].removesuffix("\n"), note, text[tail:]) if part)


def quoted(page: Page, start: int, end: int) -> str:
    """Characters of a page from `start` to `end`, and where they are from."""
    text = whole(page)
    when = datetime.fromtimestamp(page.created, UTC)
    where = f"page {page.vpn}, {WHO[page.role]}, {when:%Y-%m-%d %H:%M}"
    if start > 0 or end < len(text):
        where += f", characters {start} to {end} of {len(text)}"
        if end < len(text):
            where += f"; page_in(page={page.vpn}, start={end}) reads on"
    return f"{where}:\n{text[start:end]}"


def fitting(
    page: Page, start: int, length: int | None, max_tokens: int, count: Callable[[str], int]
) -> str:
    """The quotation of at most `length` characters that takes no more than `max_tokens`, as `count`
    has them."""
    text = whole(page)
    end = len(text) if length is None else min(len(text), start + length)
    while True:
        shown = quoted(page, start, end)
        too_many = count(shown)
        if too_many <= max_tokens or end - start <= 1:
            return shown
        end = start + max(1, (end - start) * max_tokens * 9 // (too_many * 10))
        line = text.rfind("\n", start + (end - start) // 2, end)
        end = end if line < 0 else line + 1
