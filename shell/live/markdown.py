"""Blocks of Markdown for a terminal. rich is imported at the first one that needs it.

Nothing of a text is lost on the way: HTML, entities and link definitions stay as they were
written, a line break stays one, a link shows its address. Colours are those of the terminal's own
palette.
"""

from __future__ import annotations

import functools
import io
import re

from .rows import wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .blocks import Block

LONGEST = 32 << 10
"""Characters of a block that is rendered; a longer one is shown as it was written."""

MOST_READ = 8 << 10
"""Characters of code that are read again for the colours of what follows; behind more than that the
colours begin anew."""

_MARKUP = re.compile(r"[*_`\[~\\]|^ {0,3}>|^.*\|.*\n[ |:-]*-[ |:-]*$", re.MULTILINE)


def rendered(block: Block, width: int, *, colour: bool) -> str:
    """The block in rows of at most `width` columns, each with a newline; the lines of code that
    stand already are left out."""
    if block.kind == "blank":
        return "\n"
    if block.kind == "code":
        return _code(block, width, colour=colour)
    if len(block.text) > LONGEST or not _is_marked_up(block):
        return wrapped(block.text, width) + "\n"
    return _printed(_markdown(block.text), width, colour=colour)


def _is_marked_up(block: Block) -> bool:
    return block.kind != "paragraph" or bool(_MARKUP.search(block.text))


def _code(block: Block, width: int, *, colour: bool) -> str:
    """Fenced code without its fences, in colours by its language."""
    info = block.lines[0].strip().lstrip("`~").split()
    shown = max(block.num_shown, 1)
    end = len(block.lines) - (0 if block.fence else 1)
    lines = [line.expandtabs(4) for line in block.lines[1:end]]
    code = "\n".join(lines[shown - 1 :])
    if not code and shown >= end:
        return ""
    before = "\n".join(lines[: shown - 1])
    if len(before) > MOST_READ:
        before = ""
    if len(code) > LONGEST:
        return wrapped(code, width) + "\n"
    return _printed(_syntax(before, code, info[0] if info else ""), width, colour=colour)


def _syntax(before: str, code: str, language: str) -> Any:
    """The code that stands behind `before`, which is only read."""
    from rich.syntax import Syntax

    whole = f"{before}\n{code}" if before else code
    syntax = Syntax(
        whole, language or "text", theme="ansi_dark", word_wrap=True, background_color="default"
    )
    text = syntax.highlight(whole)
    lines = text.split("\n", allow_blank=True)[: whole.count("\n") + 1]
    return lines[before.count("\n") + 1 if before else 0 :]


@functools.cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    return parser.disable(["reference", "entity", "autolink", "image", "html_block", "html_inline"])


@functools.cache
def _document() -> Any:
    """rich's Markdown with headings to the left."""
    from rich.markdown import Heading, Markdown

    class LeftHeading(Heading):
        def __rich_console__(self, console: Any, options: Any) -> Any:
            self.text.justify = "left"
            yield self.text

    class Document(Markdown):
        elements = {**Markdown.elements, "heading_open": LeftHeading}  # noqa: RUF012

    return Document


def _markdown(text: str) -> Any:
    document = _document()("", code_theme="ansi_dark", hyperlinks=False)
    document.parsed = _parser().parse(text)
    for token in document.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return document


def _printed(what: Any, width: int, *, colour: bool) -> str:
    """As rows, without the blanks that rich fills them up with."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard",
        no_color=not colour,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        for one in what if isinstance(what, list) else [what]:
            console.print(one, overflow="fold")
    rows = [_TRAILING.sub(r"\1", row) for row in capture.get().split("\n")][:-1]
    if not isinstance(what, list):  # a table has blank lines around it
        while rows and not rows[0]:
            rows.pop(0)
        while rows and not rows[-1]:
            rows.pop()
    return "".join(f"{row}\n" for row in rows)


_TRAILING = re.compile(r"[ ]+((?:\x1b\[[0-9;]*m)*)$")
