"""What was noted is found again, by whatever word of it a question has."""

from __future__ import annotations

import sqlite3

import pytest

from llmos.memory import notes
from llmos.memory.notes import find_notes, write_note


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(notes.SCHEMA)
    for number, text in enumerate(
        ("my flight is at nine", "Anna's birthday is on 3 May", "the flights to Oslo are cheap")
    ):
        connection.execute(*write_note(text, str(number)))
    return connection


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("birthday", {"Anna's birthday is on 3 May"}),
        ("my flight", {"my flight is at nine", "the flights to Oslo are cheap"}),
        ("When is ANNA's Birthday?", {"Anna's birthday is on 3 May"}),
        ("dentist", set()),
        ('"; DROP TABLE note; -- AND NOT (', set()),
    ],
)
def test_a_query_finds_the_notes_that_share_a_word(
    connection: sqlite3.Connection, query: str, found: set[str]
) -> None:
    assert set(find_notes(connection, query)) == found


def test_nothing_asked_gives_the_newest_last(connection: sqlite3.Connection) -> None:
    assert find_notes(connection, " ? ")[-1] == "the flights to Oslo are cheap"


def test_the_same_call_again_adds_nothing(connection: sqlite3.Connection) -> None:
    connection.execute(*write_note("my flight is at nine", "0"))
    assert len(find_notes(connection, "")) == 3
