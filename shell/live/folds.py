"""What was shown as one line and can be shown in full: calls with their results, thoughts."""

from __future__ import annotations

import json

from ..output import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST = 100
"""Of which the newest are kept."""

LONGEST = 64 << 10
"""Characters that are shown of one; `logs` has all."""


class Folds:
    """The newest last."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._next = 1

    def add(self, text: str) -> None:
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}\n({len(text) - LONGEST:,} more characters: logs shows them)"
        self._texts = [*self._texts[1 - MOST :], text]
        self._next = 1

    def newest(self, number: int) -> str | None:
        """The last but `number` - 1; None if there is none."""
        return self._texts[-number] if 1 <= number <= len(self._texts) else None

    def turn(self) -> str | None:
        """The last one; when asked again, the one before it, and so on."""
        text = self.newest(self._next)
        self._next = self._next + 1 if text is not None else 1
        return text


def call_in_full(name: str, arguments: dict[str, Any], verdict: str, result: str) -> str:
    """A call as `unfold` shows it."""
    lines = [f"{name}  {verdict}"]
    for key, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        lines.append(f"  {key}:" + (f" {text}" if "\n" not in text else _indented(text)))
    lines.append("  result:" + (f" {result}" if "\n" not in result else _indented(result)))
    return harmless("\n".join(lines))


def _indented(text: str) -> str:
    return "".join(f"\n    {line}" for line in text.rstrip("\n").split("\n"))
