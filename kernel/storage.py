"""What the journal's file holds: the tables of every room that keeps something there."""

from __future__ import annotations

from pathlib import Path

from ..memory import notes, recall_store, swap
from . import records
from .journal import Journal


def open_journal(path: Path) -> Journal:
    """Raises JournalError."""
    return Journal(path, records.SCHEMA, swap.SCHEMA, notes.SCHEMA, recall_store.SCHEMA)
