"""A Markdown text cut into its blocks, while it comes: paragraphs, lists, headings, fenced code.

A block is finished as soon as the next line cannot belong to it. This is CommonMark as far as
models write it; what a block holds is left to a parser (`markdown.py`).
"""

from __future__ import annotations

import re

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[^`]*$")
_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_ITEM = re.compile(r" {0,3}([-*+]|\d{1,9}[.)])(\s|$)")
_BEGINS_LIST = re.compile(r" {0,3}([-*+]|1[.)])\s")
_RULE = re.compile(r" {0,3}([-*_])( *\1){2,} *$")


class Block:
    """`kind` is paragraph, list, heading, rule, code or blank; `lines` are its source. Of code that
    is shown in parts, `num_shown` lines stand already."""

    __slots__ = ("fence", "kind", "lines", "num_shown")

    def __init__(self, kind: str, line: str, fence: str = "") -> None:
        self.kind = kind
        self.lines = [line]
        self.fence = fence
        """The fence that is open: that of a code block, or one inside a list."""
        self.num_shown = 0

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def is_begun(self) -> bool:
        """Whether there is a line that is not shown yet."""
        return len(self.lines) > self.num_shown

    def takes(self, line: str) -> bool:
        """Whether the line belongs to it; if so, it is taken."""
        takes = getattr(self, f"_{self.kind}_takes", None)
        if takes is None or not takes(line):
            return False
        self.lines.append(line)
        return True

    @property
    def is_complete(self) -> bool:
        """Whether no line can come that belongs to it."""
        if self.kind == "code":
            return not self.fence
        return self.kind in ("heading", "rule", "blank")

    def _paragraph_takes(self, line: str) -> bool:
        return kind_of(line) == "paragraph" or (
            kind_of(line) == "list" and not _BEGINS_LIST.match(line)
        )

    def _list_takes(self, line: str) -> bool:
        if self.fence:
            self._close_fence(line)
            return True
        opened = _FENCE.match(line.lstrip())
        if line.startswith("  ") and opened:
            self.fence = opened[1]
            return True
        if not line.strip():
            return True
        if _RULE.match(line):
            return False
        if _ITEM.match(line) or line.startswith(("  ", "\t")):
            return True
        return bool(self.lines[-1].strip()) and kind_of(line) == "paragraph"

    def _code_takes(self, line: str) -> bool:
        self._close_fence(line)
        return True

    def _close_fence(self, line: str) -> None:
        bare = line.strip()
        if len(bare) >= len(self.fence) and not bare.strip(self.fence[0]):
            self.fence = ""

    def split(self) -> Block | None:
        """Its finished part, when it has become long: a list's items but the last. What is left
        stays in this block."""
        if self.kind != "list" or self.fence:
            return None
        starts = [index for index, line in enumerate(self.lines) if _ITEM.match(line)]
        if len(starts) < 2:
            return None
        done = Block("list", "")
        done.lines, self.lines = self.lines[: starts[-1]], self.lines[starts[-1] :]
        return done


def kind_of(line: str) -> str:
    """What a block is that begins with the line."""
    if not line.strip():
        return "blank"
    if _FENCE.match(line):
        return "code"
    if _HEADING.match(line):
        return "heading"
    if _RULE.match(line):
        return "rule"
    return "list" if _ITEM.match(line) else "paragraph"


class Blocks:
    """`add` gives the blocks that a piece of text has finished; `open` is the one that has begun,
    `tail` the line behind it that still comes."""

    def __init__(self) -> None:
        self.open: Block | None = None
        self._tail: list[str] = []

    @property
    def tail(self) -> str:
        return "".join(self._tail)

    @property
    def is_empty(self) -> bool:
        return self.open is None and not self._tail

    def add(self, text: str) -> list[Block]:
        first, *rest = text.split("\n")
        self._tail += [first] if first else []
        finished: list[Block] = []
        for part in rest:
            finished += self._line(self.tail)
            self._tail = [part] if part else []
        return finished

    def close(self) -> list[Block]:
        """What is left at the end of the text."""
        finished = self._line(self.tail) if self._tail else []
        self._tail = []
        if self.open is not None:
            finished.append(self.open)
        self.open = None
        return finished

    def _line(self, line: str) -> list[Block]:
        finished = []
        if self.open is not None and not self.open.takes(line):
            finished += _without_blanks(self.open)
            self.open = None
        if self.open is None:
            kind = kind_of(line)
            fence = _FENCE.match(line)
            self.open = Block(kind, line, fence[1] if kind == "code" and fence else "")
        if self.open.is_complete:
            finished.append(self.open)
            self.open = None
        return finished


def _without_blanks(block: Block) -> list[Block]:
    """The block, and the blank lines at its end as what they are."""
    blanks = []
    while block.kind == "list" and len(block.lines) > 1 and not block.lines[-1].strip():
        blanks.append(Block("blank", block.lines.pop()))
    return [block, *blanks]
