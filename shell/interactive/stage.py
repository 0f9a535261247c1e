"""The terminal, shared by the prompt, the session's agent, and news of other processes.

While the prompt stands, what is written goes above it, in whole lines; otherwise straight out.
prompt_toolkit's `patch_stdout` would do the first half with a thread of its own and a fifth of a
second of delay; here everything runs on the one event loop.
"""

from __future__ import annotations

import contextlib
import sys
import termios
from collections.abc import Iterator

from prompt_toolkit.application.run_in_terminal import run_in_terminal
from prompt_toolkit.shortcuts.prompt import PromptSession

from ..output import harmless, paint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROMPT = "llmos> "


class MadeWay(Exception):
    """The empty prompt was taken down because the session's agent began to speak."""


class Stage:
    """Who may write where, and when."""

    def __init__(self, session: PromptSession[str]) -> None:
        self._session = session
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

    def write(self, text: str, style: str = "") -> None:
        """Harmless text as it comes."""
        painted = paint(text, style, sys.stdout)
        if not self._prompt_stands:
            sys.stdout.write(painted)
            sys.stdout.flush()
            return
        self._above.append(painted)
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
