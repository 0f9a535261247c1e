"""What reaches the terminal: data on stdout, all else on stderr, nothing raw.

Text of a model or a tool is foreign. An escape sequence in it could retitle the window, hide
lines or type for the user, so every control character is replaced before it is written.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TextIO

    from .errors import ShellError

_STYLES = {"dim": "2", "bold": "1", "red": "31", "green": "32"}

_HARMLESS = {
    # C0 and DEL show as their pictures (␛, ␇, …); \r goes, so that it cannot overwrite a line.
    **{code: 0x2400 + code for code in range(0x20)},
    0x7F: 0x2421,
    ord("\n"): "\n",
    ord("\t"): "\t",
    ord("\r"): None,
    # C1 (a terminal may obey them like ESC), line separators, and overrides of the writing
    # direction, which make a text read as something else than it is.
    **{code: "\N{REPLACEMENT CHARACTER}" for code in range(0x80, 0xA0)},
    **{
        code: "\N{REPLACEMENT CHARACTER}"
        for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    },
}


def harmless(text: str) -> str:
    """The text without anything that a terminal would obey, but for newline and tab."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_HARMLESS).encode("utf-8", "replace").decode()


def one_line(text: str, width: int) -> str:
    """The text on one line of at most `width` columns, with `…` where it was cut."""
    return cut(harmless(" ".join(text.split())), width)


def cut(text: str, width: int) -> str:
    """At most `width` columns of a harmless text."""
    if width_of(text) <= width:
        return text
    kept, columns = [], 0
    for char in text:
        columns += width_of(char)
        if columns > width - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def width_of(text: str) -> int:
    """Columns that a harmless text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def columns_of(stream: TextIO, otherwise: int = 100) -> int:
    """The width of a terminal: `$COLUMNS`, or what the terminal says."""
    set_by_user = os.environ.get("COLUMNS", "")
    if set_by_user.isdecimal() and int(set_by_user) > 0:
        return int(set_by_user)
    try:
        return os.get_terminal_size(stream.fileno()).columns or otherwise
    except (OSError, ValueError):
        return otherwise


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Aligned columns; numbers to the right. Lines are cut at `width`, unless it is None."""
    cells = [list(header), *([harmless(cell) for cell in row] for row in rows)]
    widths = [max(width_of(row[i]) for row in cells) for i in range(len(header))]
    numeric = [all(_is_number(row[i]) for row in cells[1:]) for i in range(len(header))]
    lines = ["  ".join(map(_pad, row, widths, numeric)).rstrip() for row in cells]
    return "\n".join(line if width is None else cut(line, width) for line in lines)


def _is_number(cell: str) -> bool:
    """`12,345`, `-5`, `123k`; and `-`, which stands for none."""
    digits = cell.removeprefix("-").removesuffix("k").removesuffix("m").replace(",", "")
    return cell == "-" or digits.isdecimal()


def count_text(number: float) -> str:
    """A count in at most six columns: `12,345`, `123k`, `12m`."""
    if number < 100_000:
        return f"{number:,.0f}"
    if number < 10_000_000:
        return f"{number // 1000:.0f}k"
    return f"{number // 1_000_000:.0f}m"


def _pad(cell: str, width: int, to_right: bool) -> str:
    space = " " * (width - width_of(cell))
    return space + cell if to_right else cell + space


def seconds(duration_s: float) -> str:
    """A duration as people say it: `12 ms`, `3.4 s`, `2 min 5 s`, `3 h 12 min`, `2 d 4 h`."""
    if duration_s < 1:
        return f"{duration_s * 1000:.0f} ms"
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    whole = int(duration_s)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


class Output:
    """The two streams of one run of a verb, and how they may be used."""

    def __init__(self, *, as_json: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.is_tty = sys.stdout.isatty()
        self.notes_progress = verbose or (sys.stderr.isatty() and not as_json)
        self.width = columns_of(sys.stdout) if self.is_tty else None
        self.as_lines = False
        """With `as_json`: a document a line, of a verb that tells as it goes."""
        self._stream: TextIO | None = None

    def keep_stdout(self) -> None:
        """From here on stdout is for this output alone; what anything else writes there, a plugin
        or a program that it starts, comes out on stderr."""
        sys.stdout.flush()
        self._stream = os.fdopen(os.dup(1), "w", errors="replace")
        os.dup2(2, 1)

    def share_stdout(self, other: Output) -> None:
        """Write where another one does."""
        self._stream = other._stream

    def data(self, text: str) -> None:
        """Text of the verb's result, as it comes."""
        sys.stdout.write(harmless(text))
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """Text of the verb's result with one newline at its end; nothing for no text."""
        if text:
            self.data(text if text.endswith("\n") else text + "\n")

    def document(self, document: dict[str, Any]) -> None:
        """The one JSON document of a run with `--json`, or the next of its lines."""
        stream = self._stream or sys.stdout
        json.dump(document, stream, indent=None if self.as_lines else 2)
        stream.write("\n")
        stream.flush()

    def note(self, text: str) -> None:
        """A line for people, on stderr."""
        sys.stdout.flush()
        print(harmless(text), file=sys.stderr, flush=True)

    def progress(self, text: str) -> None:
        """A line about what happens meanwhile; only where somebody watches."""
        if self.notes_progress:
            print(paint(harmless(text), "dim", sys.stderr), file=sys.stderr, flush=True)

    def failure(self, error: ShellError) -> None:
        """An error with its way out: a JSON document on stdout, or lines on stderr."""
        if self.as_json:
            self.document({"ok": False, "error": explained(error)})
            return
        usage = getattr(error, "usage", "")
        if usage:
            self.note(usage.rstrip())
        self.note(f"llmos: {error.message}")
        if error.hint and error.hint not in error.message:
            self.note(f"  {error.hint}")


def explained(error: ShellError) -> dict[str, Any]:
    """The error as scripts read it."""
    document = {"code": error.code, "message": error.message, "hint": error.hint}
    retry_s = getattr(error, "retry_s", None)
    return document if retry_s is None else document | {"retry_s": retry_s}


def paint(text: str, style: str, stream: TextIO) -> str:
    """The text in a style, where the stream shows colours and the user wants them."""
    if not style or not shows_colour(stream):
        return text
    line = text.removesuffix("\n")
    return f"\x1b[{_STYLES[style]}m{line}\x1b[0m{text[len(line) :]}"


def shows_colour(stream: TextIO) -> bool:
    """`NO_COLOR` (when not empty) and TERM=dumb win; a file or a pipe gets none."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()
