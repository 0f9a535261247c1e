"""A line is coloured while it is typed, and shows what was typed: no sign twice, none left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_toolkit.document import Document

from llmos.shell.interactive.highlight import LineLexer
from llmos.shell.interactive.known import Known
from llmos.shell.paths import Paths
from llmos.shell.verbs import TABLE


class NobodyKnown(Known):
    """Before the kernel has answered."""

    processes = None

    def __init__(self) -> None:
        self.version = 0


@pytest.mark.parametrize(
    "line",
    [
        "run list the files > out.txt &",
        "run a | run b &",
        "what is 37 * 12 &",
        "kill 2 &",
        "@7 go on &",
        "&",
        "! &",
        "run 'a | b' < c |",
    ],
)
def test_what_is_shown_is_what_was_typed(line: str, tmp_path: Path) -> None:
    assert "run" in TABLE
    lexed = LineLexer(NobodyKnown(), Paths(str(tmp_path)))
    shown = "".join(piece[1] for piece in lexed.lex_document(Document(line))(0))
    assert shown == line
