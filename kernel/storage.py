"""What the journal's file holds: the tables of every room that keeps something there."""

from __future__ import annotations

from pathlib import Path

from ..memory import notes, swap
from . import links, records
from .journal import Journal


def open_journal(path: Path) -> Journal:
    """Raises JournalError."""
    return Journal(path, records.SCHEMA, links.SCHEMA, swap.SCHEMA, notes.SCHEMA)
