"""What the journal's file holds: the tables of every room that keeps something there."""

from __future__ import annotations

from pathlib import Path

from ..memory import blocks, knowledge_store, notes, swap
from . import (
    conversation_records,
    links,
    pipe_records,
    records,
    scheduling_choices,
    shared,
    timers,
    turns,
)
from .journal import Journal


def open_journal(path: Path) -> Journal:
    """Raises JournalError."""
    rooms = (
        *(records, conversation_records, links, pipe_records, shared, timers, turns),
        *(scheduling_choices, swap, blocks, notes, knowledge_store),
    )
    return Journal(path, *(room.SCHEMA for room in rooms))
