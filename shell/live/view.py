"""A turn on a terminal: its answer rendered, its calls a line each, with a spinner while they run.

⠹ run_python(code="…")  1.2 s
· read_file(path="nope.txt")  ✗ ENOENT: no such file
· thought for 3.1 s (420 characters)
"""

from __future__ import annotations

import sys
import time

from ..output import cut, harmless, one_line, paint, seconds, shows_colour, width_of
from ..turn import TurnView, call_text
from .answer import Answer
from .folds import Folds, call_in_full
from .paper import SPIN_S
from .thoughts import Thoughts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...kernel.messages import Call, Exit, Result, Text, Told, Turn
    from .paper import Surface

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class LiveView(TurnView):
    """`clock` is in seconds. With `tells` False there is the answer alone."""

    def __init__(
        self,
        surface: Surface,
        folds: Folds,
        clock: Callable[[], float] = time.monotonic,
        *,
        tells: bool = True,
    ) -> None:
        super().__init__(None, None, lambda: surface.width + 1)
        self._surface = surface
        self._folds = folds
        self._clock = clock
        self._tells = tells
        self._answer = Answer(surface, colour=shows_colour(sys.stdout))
        self._thoughts = Thoughts()
        self._thought: list[str] = []
        self._since = 0.0
        """When it began to think."""
        self._output = ""
        """The line of a call's output that is not complete."""
        self._calls: dict[str, tuple[Call, float]] = {}
        """Those that run, by their ids, with when they began."""

    def show(self, event: Any) -> None:
        shown = _SHOWN.get(event.event)
        if shown is not None:
            shown(self, event)

    def _tick(self) -> bool:
        """Draws what runs anew; False when nothing does."""
        is_busy = bool(self._calls) or self._thoughts.thinking
        if is_busy and not self._answer.is_open and self._tells:
            self._surface.show(self._running())
        return is_busy

    def _spin(self) -> None:
        if self._tick():
            self._surface.animate(self._tick)

    def end(self) -> None:
        """What is open is finished as it is."""
        self._finish_words()
        self._finish_output()
        calls, self._calls = self._calls, {}
        self._surface.finish("".join(self._line(call, "") for call, _ in calls.values()))

    # ---- words ----------------------------------------------------------------------------

    def _text(self, event: Text) -> None:
        text = harmless(event.text)
        self.heard.append(text)
        for piece, is_thought in self._thoughts.add(text):
            self._piece(piece, is_thought)
        self._spin()

    def _piece(self, piece: str, is_thought: bool) -> None:
        if is_thought:
            self._since = self._since if self._thought else self._clock()
            self._thought.append(piece)
        else:
            self._fold_thoughts()
            self._answer.add(piece)

    def _fold_thoughts(self) -> None:
        if not self._thought:
            return
        text, self._thought = "".join(self._thought).strip(), []
        took = seconds(self._clock() - self._since)
        self._folds.add(text)
        if self._tells:
            self._news(f"· thought for {took} ({len(text):,} characters)")

    def _finish_words(self) -> None:
        for piece, is_thought in self._thoughts.close():
            self._piece(piece, is_thought)
        self._fold_thoughts()
        self._answer.close()

    # ---- calls ----------------------------------------------------------------------------

    def _call(self, event: Call) -> None:
        self._finish_words()
        self._calls[event.call_id] = event, self._clock()
        self._spin()

    def _told(self, event: Told) -> None:
        """What a call tells while it runs stands above those that run."""
        if not self._tells or not event.text:
            return
        if event.kind == "output":
            *lines, self._output = (self._output + harmless(event.text)).split("\n")
            self._surface.write("".join(f"{line}\n" for line in lines), "dim")
        else:
            told = one_line(event.text, self._width)
            self._news(cut(f"  {event.name}: {told}", self._width))

    def _finish_output(self) -> None:
        if self._output:
            self._news(self._output)
        self._output = ""

    def _result(self, event: Result) -> None:
        call, _ = self._calls.pop(event.call_id, (None, 0.0))
        took = seconds(event.duration_s)
        arguments = {} if call is None else call.arguments
        mark = "✓" if event.ok else "✗"
        self._folds.add(call_in_full(event.name, arguments, f"{mark} {took}", event.text))
        if not self._tells:
            return
        self._finish_words()
        self._finish_output()
        verdict = f"✓ {took}" if event.ok else f"✗ {one_line(event.text, self._width - 4)}"
        self._surface.write(self._line(call or event, verdict))
        self._surface.show(self._running())

    def _line(self, call: Call | Result, verdict: str) -> str:
        """A call in one row; in two if it and why it failed are too long for one."""
        given = getattr(call, "arguments", None)
        line = "· " + (harmless(call.name) if given is None else call_text(call.name, given))
        if not verdict:
            return self._dim(cut(line, self._width))
        room = self._width - width_of(verdict) - 2
        if room < width_of(call.name) + 4 or (verdict[0] == "✗" and width_of(line) > room):
            return self._dim(cut(line, self._width)) + self._dim(cut(f"  {verdict}", self._width))
        return self._dim(f"{cut(line, room)}  {verdict}")

    def _running(self) -> list[str]:
        """The open rows: what runs, with how long it has."""
        now = self._clock()
        mark = SPINNER[int(now / SPIN_S) % len(SPINNER)]
        rows = []
        if self._thoughts.thinking and self._thought:
            rows.append(f"{mark} thinking {seconds(now - self._since)}")
        for call, began in self._calls.values():
            line = cut(f"{mark} {call_text(call.name, call.arguments)}", self._width - 8)
            rows.append(f"{line}  {seconds(now - began)}" if now - began >= 1 else line)
        return [self._dim(cut(row, self._width))[:-1] for row in rows[: self._surface.height]]

    # ---- the end --------------------------------------------------------------------------

    def _turn(self, event: Turn) -> None:
        self.end()
        if event.status == "failed" and self._tells:
            self._news(f"✗ the turn failed: {harmless(event.text).strip()}")
        elif event.status == "interrupted" and self._tells:
            self._news("interrupted")

    def _exit(self, event: Exit) -> None:
        self.end()

    def _news(self, line: str) -> None:
        self._surface.write(line + "\n", "dim")

    def _dim(self, line: str) -> str:
        return paint(line + "\n", "dim", sys.stdout)


_SHOWN: dict[str, Callable[[LiveView, Any], None]] = {
    "text": LiveView._text,
    "call": LiveView._call,
    "told": LiveView._told,
    "result": LiveView._result,
    "turn": LiveView._turn,
    "exit": LiveView._exit,
}
