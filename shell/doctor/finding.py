"""What a check finds."""

from __future__ import annotations

OK, WARNING, FAILURE = "ok", "warning", "failure"


class Finding:
    """`mark` is ok, warning or failure; `mend` is what to do about the last two."""

    __slots__ = ("mark", "mend", "topic", "words")

    def __init__(self, mark: str, words: str, mend: str = "") -> None:
        self.topic = ""
        self.mark = mark
        self.words = words
        self.mend = mend

    def record(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("topic", "mark", "words", "mend")}


def ok(words: str) -> Finding:
    return Finding(OK, words)


def warning(words: str, mend: str) -> Finding:
    return Finding(WARNING, words, mend)


def failure(words: str, mend: str) -> Finding:
    return Finding(FAILURE, words, mend)
