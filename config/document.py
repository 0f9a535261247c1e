"""Changes of `config.toml`. Comments, order and spelling of all else stay as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tomlkit
from tomlkit.items import Table

from .template import literal


def with_value(text: str, tables: Sequence[str], key: str, value: Any) -> str:
    """The file with a key set, in a table that may be new. Where the key stands as a comment, as at
    the first start, its line goes below the comment."""
    document = tomlkit.parse(text)
    table = _table(document, tables)
    if table is not None and key not in table:
        below = _below_its_comment(text, ".".join(tables), key, value)
        if below is not None:
            return below
    if table is None:
        table = _new_table(document, tables)
    table[key] = value
    return document.as_string()


def without(text: str, tables: Sequence[str], key: str) -> str:
    """The file without a key. Raises KeyError."""
    document = tomlkit.parse(text)
    table = _table(document, tables)
    if table is None or key not in table:
        raise KeyError(key)
    del table[key]
    return document.as_string()


def without_table(text: str, tables: Sequence[str]) -> str:
    """The file without a table. Raises KeyError."""
    document = tomlkit.parse(text)
    outer: Any = document
    for name in tables[:-1]:
        outer = outer[name]
    del outer[tables[-1]]
    return document.as_string()


def _table(document: tomlkit.TOMLDocument, tables: Sequence[str]) -> Any:
    found: Any = document
    for name in tables:
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return found


def _new_table(document: tomlkit.TOMLDocument, tables: Sequence[str]) -> Table:
    """At the end of the file."""
    outer: Any = document
    for name in tables[:-1]:
        if name not in outer:
            outer[name] = tomlkit.table(is_super_table=True)
        outer = outer[name]
    made = tomlkit.table()
    outer[tables[-1]] = made
    found: Table = outer[tables[-1]]
    return found


def _below_its_comment(text: str, table: str, key: str, value: Any) -> str | None:
    """None where the table has no such comment."""
    lines = text.splitlines(keepends=True)
    inside = False
    for index, line in enumerate(lines):
        if header := re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", line):
            inside = header[1].strip() == table
        elif inside and re.match(rf"\s*#\s*{re.escape(key)}\s*=", line):
            lines[index] = line if line.endswith("\n") else line + "\n"
            lines.insert(index + 1, f"{key} = {literal(value)}\n")
            changed = "".join(lines)
            # A comment may stand inside a text of several lines: then this was none.
            said = tomlkit.parse(changed).unwrap()
            return changed if said[table].get(key) == value else None
    return None
