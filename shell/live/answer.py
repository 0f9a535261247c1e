"""An answer on a terminal: finished blocks as Markdown, the open one as it comes."""

from __future__ import annotations

from .blocks import Blocks
from .rows import Rows, wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .blocks import Block
    from .paper import Surface

LONGEST_PIECE = 16 << 10
"""Characters that come at once and are rendered. Nobody watches more than that come, and rendering
it would keep Ctrl-C waiting."""


class Answer:
    """`add` its text as it comes, `close` it at its end.

    A block whose rows would fill the terminal can no longer be drawn anew. A list and code are
    finished in parts then; anything else stays as it was written.
    """

    def __init__(self, surface: Surface, *, colour: bool) -> None:
        self._surface = surface
        self._colour = colour
        self._blocks = Blocks()
        self._rows: Rows | None = None
        self._drawn = 0
        """Characters of the open block that are in the rows."""
        self._stands = False
        """Whether the open block stays as it is written."""

    @property
    def is_open(self) -> bool:
        return not self._blocks.is_empty

    def add(self, text: str) -> None:
        """Harmless text."""
        finished = self._blocks.add(text)
        if self._rows is not None and not self._surface.can_redraw:
            self._stand()
        if finished:
            self._finish(finished, is_plain=len(text) > LONGEST_PIECE)
        elif self._rows is not None:
            self._rows.add(text)
            self._drawn += len(text)
        if self.is_open:
            self._draw()

    def close(self) -> None:
        self._finish(self._blocks.close(), is_plain=False)

    # ---- finished blocks ------------------------------------------------------------------

    def _finish(self, blocks: list[Block], *, is_plain: bool) -> None:
        if self._stands:
            blocks = self._finish_standing(blocks)
        else:
            self._rows = None
        if self._rows is None and blocks:
            self._surface.finish("".join(self._text(one, is_plain=is_plain) for one in blocks))

    def _finish_standing(self, blocks: list[Block]) -> list[Block]:
        """Completes what stands already; the blocks of which nothing does."""
        assert self._rows is not None
        while blocks and self._drawn > 0:
            text = _source(blocks[0]) + "\n"
            self._rows.add(text[self._drawn :])
            self._drawn = max(0, self._drawn - len(text))
            blocks = blocks[1:]
        if self._drawn:  # the beginning of the block that is open now stands among them
            source = self._open_source()
            self._rows.add(source[self._drawn :])
            self._drawn = len(source)
        self._show()
        if not self._drawn:
            self._surface.leave()
            self._rows, self._stands = None, False
        return blocks

    def _text(self, block: Block, *, is_plain: bool) -> str:
        if is_plain:
            return wrapped(_source(block), self._surface.width) + "\n"
        from .markdown import rendered

        return rendered(block, self._surface.width, colour=self._colour)

    # ---- the open block -------------------------------------------------------------------

    def _draw(self) -> None:
        if self._rows is None:
            self._redraw()
        assert self._rows is not None
        if len(self._rows.rows) > self._surface.height and not self._stands:
            self._shorten()
        self._show()

    def _redraw(self) -> None:
        """The open block comes into rows of its own."""
        source = self._open_source()
        self._rows, self._drawn = Rows(self._surface.width), len(source)
        self._rows.add(source)

    def _open_source(self) -> str:
        block, tail = self._blocks.open, self._blocks.tail
        return f"{_source(block)}\n{tail}" if block is not None and block.is_begun else tail

    def _show(self) -> None:
        assert self._rows is not None
        self._surface.show(self._rows.rows)
        if self._stands:
            self._surface.settle()
            self._rows.settle()

    def _shorten(self) -> None:
        """The open block has become too high: what of it is finished is finished now."""
        block = self._blocks.open
        done = block.split() if block is not None else None
        if block is not None and done is None and block.kind == "code" and block.is_begun:
            self._surface.finish(self._text(block, is_plain=False))
            block.num_shown = len(block.lines)
            self._redraw()
        elif done is not None:
            self._surface.finish(self._text(done, is_plain=False))
            self._redraw()
        else:
            self._stand()

    def _stand(self) -> None:
        """The open block stays as it is written, from here on in the width that there is now."""
        assert self._rows is not None
        self._stands = True
        self._rows.width = self._surface.width


def _source(block: Block) -> str:
    """The block as it was written, but for what is shown already."""
    return "\n".join(block.lines[block.num_shown :])
