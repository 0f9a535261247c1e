"""A terminal that is written from top to bottom, and whose last rows may still change.

What is finished is written once and never touched again. What is not finished (the block of an
answer that is still coming, a call that still runs) stands below it as *open rows*, which are drawn
anew where they differ. Open rows are narrower than the terminal, so that it never wraps one, and
fewer than its lines, so that none has scrolled away.
"""

from __future__ import annotations

import os

from ..output import columns_of, paint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol, TextIO

    class Surface(Protocol):
        """What a turn is shown on."""

        @property
        def width(self) -> int:
            """Columns that an open row may have."""

        @property
        def height(self) -> int:
            """Open rows that there may be."""

        @property
        def can_redraw(self) -> bool:
            """False if the open rows are where nobody knows: the terminal became narrower, and
            some wrap their lines anew then."""

        def show(self, rows: Sequence[str]) -> None:
            """These are the open rows now."""

        def finish(self, text: str) -> None:
            """The open rows are gone, and `text` stands in their place, with a newline behind it
            unless it is ''."""

        def settle(self) -> None:
            """The open rows but the last are finished as they stand."""

        def leave(self) -> None:
            """The open rows are finished as they stand."""

        def write(self, text: str, style: str = "") -> None:
            """Finished text, above the open rows."""

        def animate(self, tick: Callable[[], bool]) -> None:
            """Calls `tick` every `SPIN_S` until it says False."""


NARROWEST = 20
LOWEST = 5
SPIN_S = 0.1


class Paper:
    """The open rows of a terminal, and what is written above them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows: list[str] = []
        self._columns = 0
        """How wide the terminal was when the open rows were drawn."""

    @property
    def width(self) -> int:
        return max(columns_of(self._stream) - 1, NARROWEST)

    @property
    def height(self) -> int:
        return max(lines_of(self._stream) - 2, LOWEST)

    @property
    def can_redraw(self) -> bool:
        return not self._rows or columns_of(self._stream) >= self._columns

    def show(self, rows: Sequence[str]) -> None:
        self._put(self._change(list(rows)))

    def finish(self, text: str) -> None:
        # What stands already is not written again: most paragraphs look as they came.
        self._put(self._change(text.split("\n") if text else []))
        self._rows = []

    def settle(self) -> None:
        self._rows = self._rows[-1:]

    def leave(self) -> None:
        if self._rows and self._rows[-1]:
            self._put("\n")
        self._rows = []

    def write(self, text: str, style: str = "") -> None:
        rows, painted = self._rows, paint(text, style, self._stream)
        if not rows:
            self._put(painted)
            return
        gone = self._change([])
        newline = "" if text.endswith("\n") else "\n"
        self._put(gone + painted + newline + self._change(rows))

    def _change(self, rows: list[str]) -> str:
        """What makes the open rows these: at most from the first one on that differs."""
        old, self._rows = self._rows, rows
        if not old:
            self._columns = columns_of(self._stream)
            return "\n".join(rows)
        same = 0
        while same < min(len(old), len(rows)) and old[same] == rows[same]:
            same += 1
        if rows and same == len(rows) < len(old):
            same -= 1  # the cursor is to end behind the last row, which is written again
        if same == len(old):
            return "".join(f"\n{row}" for row in rows[same:])
        if same == len(old) - 1 and same < len(rows) and rows[same].startswith(old[same]):
            return rows[same][len(old[same]) :] + "".join(f"\n{row}" for row in rows[same + 1 :])
        if columns_of(self._stream) < self._columns:
            self._columns = columns_of(self._stream)
            return "\n" + "\n".join(rows)
        up = len(old) - 1 - same
        return "\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J" + "\n".join(rows[same:])

    def _put(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


def lines_of(stream: TextIO, otherwise: int = 24) -> int:
    """The height of a terminal: `$LINES`, or what the terminal says."""
    set_by_user = os.environ.get("LINES", "")
    if set_by_user.isdecimal() and int(set_by_user) > 0:
        return int(set_by_user)
    try:
        return os.get_terminal_size(stream.fileno()).lines or otherwise
    except (OSError, ValueError):
        return otherwise


def is_rendered(stream: TextIO) -> bool:
    """Whether answers are rendered there: a terminal that can move its cursor, and a user who has
    not asked for the text as it is (`LLMOS_PLAIN`)."""
    return (
        not os.environ.get("LLMOS_PLAIN")
        and os.environ.get("TERM", "dumb") != "dumb"
        and stream.isatty()
    )
