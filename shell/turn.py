"""How a turn looks while it runs: the answer as it comes, one dim line for each syscall.

· list_files(path=".")  ✓ 12 ms
· read_file(path="nope.txt")  ✗ ENOENT: no such file
"""

from __future__ import annotations

import json

from .output import cut, harmless, one_line, seconds, width_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..kernel.messages import Call, Result, Text, Told, Turn

    Write = Callable[[str], None]

NARROWEST = 20
"""Columns that a line gets even on a terminal that has fewer."""


class TurnView:
    """Writes the events of one process, in order, to a pair of streams.

    `say` gets the agent's words, `tell` the lines about its syscalls; both may be one terminal,
    so a line that the words left open is closed before a syscall's begins, and the other way
    round. `say` None means that the words are not shown.
    """

    def __init__(self, say: Write | None, tell: Write | None, width: Callable[[], int]) -> None:
        self._say = say
        self._tell = tell
        self._columns = width
        self.heard: list[str] = []
        """What was said, as it was shown."""
        self._words_open = False
        self._call_open: str | None = None
        self._output_open = False
        self._room = 0

    @property
    def _width(self) -> int:
        return max(self._columns() - 1, NARROWEST)

    def show(self, event: Any) -> None:
        """One event; a kind that does not show is passed over."""
        shown = _SHOWN.get(event.event)
        if shown is not None:
            shown(self, event)

    def end(self) -> None:
        """Closes the line that is open, if one is."""
        if self._words_open and self._say is not None:
            self._say("\n")
        if (self._call_open is not None or self._output_open) and self._tell is not None:
            self._tell("\n")
        self._words_open, self._call_open, self._output_open = False, None, False

    def _text(self, event: Text) -> None:
        if self._say is None or not event.text:
            return
        if self._call_open is not None or self._output_open:
            self.end()
        text = harmless(event.text)
        self._say(text)
        self.heard.append(text)
        self._words_open = not event.text.endswith("\n")

    def _call(self, event: Call) -> None:
        if self._tell is None:
            return
        self.end()
        line = cut("· " + call_text(event.name, event.arguments), self._width)
        self._tell(line)
        self._call_open, self._room = event.call_id, self._width - width_of(line) - 2

    def _told(self, event: Told) -> None:
        """What a syscall tells while it runs: a line of progress, or a piece of its output."""
        if self._tell is None or not event.text:
            return
        if event.kind == "output":
            if self._call_open is not None or self._words_open:
                self.end()
            self._tell(harmless(event.text))
            self._output_open = not event.text.endswith("\n")
        else:
            self.end()
            self._tell(cut(f"  {event.name}: {one_line(event.text, self._width)}", self._width))
            self._tell("\n")

    def _result(self, event: Result) -> None:
        if self._tell is None:
            return
        took = seconds(event.duration_s)
        verdict = f"✓ {took}" if event.ok else f"✗ {one_line(event.text, self._width - 2)}"
        if self._call_open == event.call_id and len(verdict) <= self._room:
            self._tell(f"  {verdict}\n")
            self._call_open = None
        else:
            name = "" if self._call_open == event.call_id else f"{event.name} "
            self.end()
            self._tell(cut(f"  {name}{verdict}", self._width) + "\n")

    def _turn(self, event: Turn) -> None:
        self.end()
        if self._tell is None:
            return
        if event.status == "failed":
            self._tell(f"✗ the turn failed: {harmless(event.text).strip()}\n")
        elif event.status == "interrupted":
            self._tell("interrupted\n")


_SHOWN: dict[str, Callable[[TurnView, Any], None]] = {
    "text": TurnView._text,
    "call": TurnView._call,
    "told": TurnView._told,
    "result": TurnView._result,
    "turn": TurnView._turn,
}


def call_text(name: str, arguments: dict[str, Any]) -> str:
    """`list_files(path=".")`, on one line and harmless."""
    given = ", ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in arguments.items()
    )
    return harmless(f"{name}({given})".replace("\n", " "))
