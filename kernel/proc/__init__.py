"""The files of `/proc`: those of a process, and those of the kernel. `procfs.py` is the tree."""

from __future__ import annotations

from collections.abc import Mapping


def lines(rows: Mapping[str, object]) -> str:
    """`name:      value`, a line each."""
    return "".join(f"{name + ':':<17} {value}".rstrip() + "\n" for name, value in rows.items())


def one_line(text: str, length: int = 80) -> str:
    """The first words of a text."""
    words = " ".join(text[: 4 * length].split())
    return words if len(words) <= length else f"{words[: length - 1]}…"
