"""The terminal, shared by the prompt, the session's agent, and news of other processes.

While the prompt stands, what is written goes above it, in whole lines; otherwise straight out.
prompt_toolkit's `patch_stdout` would do the first half with a thread of its own and a fifth of a
second of delay; here everything runs on the one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import termios
from collections.abc import Iterator

from prompt_toolkit.application.run_in_terminal import run_in_terminal
from prompt_toolkit.shortcuts.prompt import PromptSession

from ..live.paper import LOWEST, NARROWEST, SPIN_S, Paper, lines_of
from ..output import columns_of, harmless, paint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

PROMPT = "llmos> "


class MadeWay(Exception):
    """The empty prompt was taken down because the session's agent began to speak."""


class Stage:
    """Who may write where, and when."""

    def __init__(self, session: PromptSession[str]) -> None:
        self._session = session
        self._paper = Paper(sys.stdout)
        self._front: Place | None = None
        self._prompt_stands = False
        self._made_way = False
        self._above: list[str] = []
        """What waits to be written above the prompt."""
        self._due = False
        """True while `_write_above` is already on its way."""

    # ---- the prompt -----------------------------------------------------------------------

    async def prompt(self) -> str:
        """A line from the user. Raises EOFError, KeyboardInterrupt, `MadeWay`."""
        self._prompt_stands, self._made_way = True, False
        try:
            return await self._session.prompt_async(
                PROMPT, handle_sigint=False, set_exception_handler=False
            )
        finally:
            self._session.app.erase_when_done = False
            self._prompt_stands = False
            self._write_above(whole_lines=False)

    def make_way(self) -> None:
        """Takes the prompt down if the user has typed nothing into it."""
        app = self._session.app
        if self._prompt_stands and not self._made_way and app.is_running:
            if self._session.default_buffer.text or app.future is None or app.future.done():
                return
            self._made_way = app.erase_when_done = True
            app.exit(exception=MadeWay())

    def refresh(self) -> None:
        """Draws the prompt and its toolbar anew, if they stand."""
        if self._prompt_stands:
            self._session.app.invalidate()

    # ---- writing --------------------------------------------------------------------------

    @contextlib.contextmanager
    def in_front(self, place: Place) -> Iterator[None]:
        """For as long as a turn is in the foreground, its open rows are drawn."""
        before, self._front = self._front, place
        self._paper.show(place.rows)
        try:
            yield
        finally:
            self._paper.leave()
            self._front = before

    def paper_of(self, place: Place) -> Paper | None:
        """What the place may draw on, if it may."""
        return self._paper if self._front is place and not self._prompt_stands else None

    def write(self, text: str, style: str = "") -> None:
        """Harmless text as it comes."""
        if not self._prompt_stands:
            self._paper.write(text, style)
            return
        self._above.append(paint(text, style, sys.stdout))
        if "\n" in text and not self._made_way and not self._due:
            self._due = True
            run_in_terminal(lambda: self._write_above(whole_lines=True))

    def note(self, text: str, style: str = "dim") -> None:
        """A line of news."""
        self.write(harmless(text) + "\n", style)

    def _write_above(self, *, whole_lines: bool) -> None:
        self._due = False
        waiting = "".join(self._above)
        lines, newline, rest = waiting.rpartition("\n") if whole_lines else (waiting, "", "")
        self._above = [rest] if rest else []
        if lines or newline:
            sys.stdout.write(lines + newline)
            sys.stdout.flush()


class Place:
    """Where one turn is shown (a `Surface`): on the paper while it is in front, else above the
    prompt or between the lines of a verb, in finished blocks."""

    def __init__(self, stage: Stage) -> None:
        self.rows: list[str] = []
        self._stage = stage
        self._moves = False

    @property
    def width(self) -> int:
        return max(columns_of(sys.stdout) - 1, NARROWEST)

    @property
    def height(self) -> int:
        return max(lines_of(sys.stdout) - 2, LOWEST)

    @property
    def can_redraw(self) -> bool:
        paper = self._stage.paper_of(self)
        return paper is None or paper.can_redraw

    def show(self, rows: Sequence[str]) -> None:
        self.rows = list(rows)
        if paper := self._stage.paper_of(self):
            paper.show(rows)

    def finish(self, text: str) -> None:
        self.rows = []
        if paper := self._stage.paper_of(self):
            paper.finish(text)
        elif text:
            self._stage.write(text)

    def settle(self) -> None:
        if paper := self._stage.paper_of(self):
            paper.settle()
        elif self.rows[:-1]:
            self._stage.write("".join(f"{row}\n" for row in self.rows[:-1]))
        self.rows = self.rows[-1:]

    def leave(self) -> None:
        if paper := self._stage.paper_of(self):
            paper.leave()
        elif any(self.rows):
            self._stage.write("".join(f"{row}\n" for row in self.rows))
        self.rows = []

    def write(self, text: str, style: str = "") -> None:
        self._stage.write(text, style)

    def animate(self, tick: Callable[[], bool]) -> None:
        if not self._moves:
            self._moves = True
            asyncio.get_running_loop().call_later(SPIN_S, self._again, tick)

    def _again(self, tick: Callable[[], bool]) -> None:
        self._moves = False
        if tick():
            self.animate(tick)


class Keyboard:
    """The terminal's own line editing, which is off while the shell has the terminal.

    Between two prompts nothing is echoed, and what is typed is kept, letter by letter, for the
    next prompt. Ctrl-C stays a signal.
    """

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._descriptor)

    @contextlib.contextmanager
    def ours(self) -> Iterator[None]:
        """For as long as the shell runs."""
        quiet = termios.tcgetattr(self._descriptor)
        quiet[3] &= ~(termios.ECHO | termios.ICANON)
        with self._set(quiet, self._before):
            yield

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """As it was before, for a command that gets the terminal."""
        with self._set(self._before, termios.tcgetattr(self._descriptor)):
            yield

    @contextlib.contextmanager
    def _set(self, attributes: list[Any], afterwards: list[Any]) -> Iterator[None]:
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, attributes)
        try:
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, afterwards)
