"""Text in rows of at most so many columns, broken between words, as it comes."""

from __future__ import annotations

import re

from ..output import width_of

_PIECES = re.compile(r"\n|\t|[^\S\n\t]+|\S+")
TAB = 8


class Rows:
    """`rows` are all that there are, the last one still open."""

    def __init__(self, width: int) -> None:
        self.rows = [""]
        self.width = width
        self._column = 0
        self._ended = False
        """Whether the blank behind the last row was its break: the next word begins another."""

    def settle(self) -> None:
        """Only the last row is of interest from here on."""
        del self.rows[:-1]

    def add(self, text: str) -> None:
        """Harmless text."""
        for piece in _PIECES.findall(text):
            if piece == "\n":
                self._begin("")
            elif piece == "\t":
                self._blank(" " * (TAB - self._column % TAB))
            elif piece[0].isspace():
                self._blank(piece)
            else:
                self._word(piece)

    def _begin(self, text: str) -> None:
        self.rows.append(text)
        self._column, self._ended = width_of(text), False

    def _blank(self, blanks: str) -> None:
        """At the end of a row it is the break between two."""
        room = self.width - self._column
        self.rows[-1] += blanks[:room]
        self._column += min(len(blanks), room)
        self._ended = self._ended or room == 0

    def _word(self, piece: str) -> None:
        columns = width_of(piece)
        if self._ended:
            self._begin("")
        if self._column + columns <= self.width:
            self.rows[-1] += piece
            self._column += columns
            return
        # The piece may go on with a word of which a part stands there already.
        head, blank, begun = self.rows[-1].rpartition(" ")
        if head.strip() and width_of(begun) + columns <= self.width:
            self.rows[-1] = head + blank
            self._begin(begun + piece)
        elif head.strip() and not begun and columns <= self.width:
            self._begin(piece)
        else:
            self._long(piece)

    def _long(self, piece: str) -> None:
        """A word that no row holds."""
        for char in piece:
            columns = width_of(char)
            if self._column + columns > self.width:
                self._begin("")
            self.rows[-1] += char
            self._column += columns


def wrapped(text: str, width: int) -> str:
    """A whole text in rows of that width."""
    rows = Rows(width)
    rows.add(text)
    return "\n".join(rows.rows)
