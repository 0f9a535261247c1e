"""CSV: each row as `column: value`, so that a row is understood without its header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import zip_longest

from .passage import PROSE, Passage, Unreadable, clean

SNIFFED = 1 << 16
FULL = PROSE[0]


def passages(text: str, delimiters: str = ",;\t|") -> Iterator[Passage]:
    """Rows together until a passage is full. Raises Unreadable."""
    pending: list[str] = []
    first = 0
    for line, last, row in _rows(text, delimiters):
        first = first if pending else line
        pending.append(row)
        if sum(map(len, pending)) >= FULL:
            yield Passage("", "\n".join(pending), first, last)
            pending.clear()
    if pending:
        yield Passage("", "\n".join(pending), first, last)


def _rows(text: str, delimiters: str) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, text) of each row but the header."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, _dialect(text[:SNIFFED], delimiters))
    try:
        header = [clean(name) for name in next(reader, [])]
        line = reader.line_num + 1
        for values in reader:
            cells = [
                f"{name}: {value}" if name else value
                for name, value in zip_longest(header, map(clean, values), fillvalue="")
                if value
            ]
            if cells:
                yield line, reader.line_num, ", ".join(cells)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num} is no row of a table: {error}") from None


def _dialect(sample: str, delimiters: str) -> type[csv.Dialect]:
    try:
        return csv.Sniffer().sniff(sample, delimiters)
    except csv.Error:  # a single column has no delimiter
        return csv.excel
