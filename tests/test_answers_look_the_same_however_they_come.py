"""An answer that came in small pieces looks like one that came at once, and loses no word when the
terminal is too low for its blocks."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable

import pyte
import pytest

from llmos.shell.live.answer import Answer
from llmos.shell.live.paper import Paper
from llmos.shell.live.rows import Rows

PARTS = (
    "# Heading one\n",
    "Some *emphasised* text that is long enough to be wrapped over two rows of it, `code` too.\n",
    "plain words\nand more\n",
    "- one\n- two **bold**\n  more of two\n\n  para in two\n- three\n",
    "1. first\n2. second\n3. third\n",
    "```python\ndef f(x):\n    return 'a'\n\n\nprint(f(1))\n```\n",
    "| a | b |\n|---|---|\n| c | d |\n",
    "> quoted *text*\n> more\n",
    "---\n",
    "- item\n  ```python\n  ls\n\n  rm\n  ```\n- last\n",
    "你好世界 😀 wide\n",
    "use the <div> tag & x < y\n",
    "```\nno language\n```\n",
    "[a]: http://x.y\n",
    "\n",
)


class StillPaper(Paper):
    """On which nothing moves by itself."""

    def animate(self, tick: Callable[[], bool]) -> None:
        pass


class Screen(io.StringIO):
    """A terminal as a stream."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__()
        self._screen = pyte.HistoryScreen(columns, lines, history=5000, ratio=0.5)
        self._stream = pyte.Stream(self._screen)

    def write(self, text: str) -> int:
        self._stream.feed(text.replace("\n", "\r\n"))
        return len(text)

    def text(self) -> str:
        columns = range(self._screen.columns)
        gone = ["".join(row[x].data for x in columns) for row in self._screen.history.top]
        return "\n".join(line.rstrip() for line in [*gone, *self._screen.display]).rstrip()


def shown(monkeypatch: pytest.MonkeyPatch, pieces: list[str], columns: int, lines: int) -> str:
    """What stands on a terminal of that size in the end."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(lines))
    screen = Screen(columns, lines)
    answer = Answer(StillPaper(screen), colour=True)
    for piece in pieces:
        answer.add(piece)
    answer.close()
    return screen.text()


def cut(text: str, rng: random.Random) -> list[str]:
    pieces = []
    while text:
        size = rng.choice([1, 2, 3, 5, 8, 20, 60])
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.mark.parametrize("seed", range(40))
def test_in_pieces_or_at_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choice(PARTS) + rng.choice(["", "\n"]) for _ in range(rng.randint(1, 12)))
    pieces = cut(text, rng)
    columns = rng.choice([20, 40, 80])
    at_once = shown(monkeypatch, [text], columns, 200)
    assert shown(monkeypatch, pieces, columns, 200) == at_once
    whole = words(shown(monkeypatch, [text], 80, 200))
    assert words(shown(monkeypatch, pieces, 80, 7)) == whole


def words(text: str) -> list[str]:
    """But for the language of a code block, which only a block that stands as written shows."""
    return [word for word in re.findall(r"[a-z\u4e00-\u9fff]+", text) if word != "python"]


@pytest.mark.parametrize("size", [1, 3, 4, 1000])
def test_words_stay_apart_where_one_ends_with_its_row(size: int) -> None:
    words = [str(number) for number in range(100, 400)]
    text = " ".join(words)
    for width in range(20, 41):
        rows = Rows(width)
        for start in range(0, len(text), size):
            rows.add(text[start : start + size])
        assert "\n".join(rows.rows).split() == words, width
        assert all(len(row) <= width for row in rows.rows)
