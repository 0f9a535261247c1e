"""Which file is read how."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from . import code, html, markdown, pdf, table, text
from .passage import Document, Passage, Unit, Unreadable

MAX_BYTES = 32 << 20

Bytes = Callable[[bytes], Iterable[Passage]]

KINDS: dict[str, Bytes] = {
    ".csv": lambda data: table.passages(text.decode(data)),
    ".htm": lambda data: html.passages(text.decode(data)),
    ".html": lambda data: html.passages(text.decode(data)),
    ".markdown": lambda data: markdown.passages(text.written(data)),
    ".md": lambda data: markdown.passages(text.written(data)),
    ".pdf": pdf.passages,
    ".tsv": lambda data: table.passages(text.decode(data), "\t"),
    ".xhtml": lambda data: html.passages(text.decode(data)),
}
"""By suffix; source code is in `code.GRAMMARS`, and all else is plain text, if it is text."""


def read(path: Path) -> Document:
    """A file as a document. Raises OSError, Unreadable."""
    data = _content(path)
    suffix = path.suffix.lower()
    if suffix in KINDS:
        found = KINDS[suffix](data)
    elif suffix in code.GRAMMARS:
        found = code.passages(text.written(data), suffix)
    else:
        found = text.passages(data)
    unit: Unit = "page" if suffix == ".pdf" else "line"
    return Document(hashlib.sha256(data).hexdigest(), unit, tuple(found))


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise Unreadable("it is no file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Unreadable(f"it is larger than {MAX_BYTES >> 20} MiB")
    return data
