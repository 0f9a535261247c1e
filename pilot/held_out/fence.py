"""Keeps the examination's sentences out of the corpus, whatever stands in their slots."""

from __future__ import annotations

import re
from functools import cache

from . import plugins, wordings

_VALUES = {
    "path": r"\S+", "other": r"\S+", "pid": r"\d+", "a": r"[\d.]+", "b": r"[\d.]+",
    "sum": r"[\d(][\w .()*/+-]*", "which": r"\w+", "pattern": r"['\"]?\S+(?: \S+)?",
    "topic": r"\S+(?: \S+)?",
    "place": r"\S+", "name": r"\S+(?: \S+)?", "plant": r"\S+", "word": r"\S+",
}  # fmt: skip
_PIECE = re.compile(r"\[[^\[\]]*\]|\{\w+\}|[^\[\]{}]+")
_MANNERS = re.compile(
    r"^(?:(?:please|hey|hi|hello|ok|so|and|now|then|well|thanks|great|good|also|next)\b[,!]? )+"
    r"|(?:,? (?:please|thanks|pls|for me))+$"
)


def bare(request: str) -> str:
    """The request without what does not make it another sentence: capitals, stops, manners."""
    return _MANNERS.sub("", request.lower().rstrip(" .?!")).rstrip(" .?!")


def wordings_of_all() -> tuple[str, ...]:
    """Every template of the examination, but for helpers' tasks, which are parts of requests."""
    groups = [
        group for name, group in vars(wordings).items() if name.isupper() and name != "SPAWN_TASKS"
    ]
    said = [one if isinstance(one, str) else one[0] for group in groups for one in group]
    return (*said, *(request for sample in plugins.SAMPLES for request in sample.requests))


def _pattern(template: str) -> str:
    parts = []
    for piece in _PIECE.findall(bare(template)):
        if piece[0] == "{":
            parts.append(_VALUES.get(piece[1:-1], ".+"))
        elif piece[0] == "[":
            parts.append("(?:" + "|".join(map(re.escape, piece[1:-1].split("|"))) + ")")
        else:
            parts.append(re.escape(piece))
    return "".join(parts)


@cache
def _fence() -> re.Pattern[str]:
    return re.compile("|".join(_pattern(template) for template in wordings_of_all()))


def is_held_out(request: str) -> bool:
    """Whether the examination could word a request like this."""
    return _fence().fullmatch(bare(request)) is not None
