"""A terminal for tests: a command runs in a pseudo-terminal, keystrokes go in, a screen comes out.

with Terminal(["llmos"], env=kernel.env) as terminal:
    terminal.wait_for("llmos>")
    terminal.send("ps")
    terminal.key("enter")
    terminal.wait_for("PID")
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pexpect  # type: ignore[import-untyped]
import pyte

KEYS = {
    "enter": "\r",
    "tab": "\t",
    "escape": "\x1b",
    "alt-enter": "\x1b\r",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "end": "\x05",
    **{
        f"ctrl-{letter}": chr(ord(letter) - ord("a") + 1) for letter in "abcdefghijklmnopqrstuvwxyz"
    },
}
PASTE = ("\x1b[200~", "\x1b[201~")
TIMEOUT_S = 20.0


class Terminal:
    """A command in a pseudo-terminal, and what its screen shows.

    The screen keeps what scrolled out at its top, so that `wait_for` finds it there too. Like a
    real terminal it answers when it is asked where the cursor is.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        columns: int = 100,
        lines: int = 30,
    ) -> None:
        self._screen = pyte.HistoryScreen(columns, lines, history=5000, ratio=0.5)
        setattr(self._screen, "write_process_input", self._answer)  # noqa: B010
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        """Every byte that the command ever wrote."""
        environment = {**os.environ, "TERM": "xterm-256color", **(env or {})}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "PYTHONDONTWRITEBYTECODE"):
            if name not in (env or {}):
                environment.pop(name, None)
        self._child = pexpect.spawn(
            command[0],
            list(command[1:]),
            env=environment,
            cwd=str(cwd) if cwd else None,
            dimensions=(lines, columns),
            timeout=TIMEOUT_S,
        )
        self._child.delaybeforesend = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- in -------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Types the text, without Enter."""
        self._child.send(text)

    def key(self, *names: str) -> None:
        """Presses keys by name: `enter`, `tab`, `ctrl-c`, `up`…"""
        for name in names:
            self._child.send(KEYS[name])

    def enter(self, line: str) -> None:
        """Types a line and presses Enter."""
        self.send(line)
        self.key("enter")

    def paste(self, text: str) -> None:
        """Pastes the text, as a terminal with bracketed paste does."""
        self._child.send(text.join(PASTE))

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.key("ctrl-c")

    def resize(self, columns: int, lines: int) -> None:
        """The user makes the window larger or smaller."""
        self._screen.resize(lines, columns)
        self._child.setwinsize(lines, columns)

    # ---- out ------------------------------------------------------------------------------

    def screen(self) -> str:
        """What the screen shows now, without blanks at the ends."""
        self._read(0.0)
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def text(self) -> str:
        """The screen, with all that scrolled out at its top before it."""
        self._read(0.0)
        columns = range(self._screen.columns)
        gone = ["".join(row[x].data for x in columns).rstrip() for row in self._screen.history.top]
        # Not `screen`, which reads more: a line that scrolls out meanwhile would be in neither.
        shown = "\n".join(line.rstrip() for line in self._screen.display).rstrip()
        return "\n".join([*gone, shown])

    def wait_for(self, pattern: str, timeout: float = TIMEOUT_S, *, count: int = 1) -> str:
        """Waits until the text matches the pattern (multi-line regular expression), `count`
        times; returns the text. Fails with the screen as the message."""
        deadline = time.monotonic() + timeout
        while True:
            text = self.text()
            if len(re.findall(pattern, text, re.MULTILINE)) >= count:
                return text
            assert time.monotonic() < deadline, f"no {pattern!r} within {timeout} s on\n{text}"
            self._read(0.05)

    def wait_exit(self, timeout: float = TIMEOUT_S) -> int:
        """Waits until the command has ended; its exit status (128 + n for signal n)."""
        deadline = time.monotonic() + timeout
        while self._child.isalive():
            assert time.monotonic() < deadline, f"still runs after {timeout} s:\n{self.text()}"
            self._read(0.05)
        self._read(0.05)
        self._child.close()
        if self._child.exitstatus is None:
            return 128 + int(self._child.signalstatus or 0)
        return int(self._child.exitstatus)

    @property
    def os_pid(self) -> int:
        """The command's process id in the operating system."""
        return int(self._child.pid)

    def close(self) -> None:
        """Ends the command if it still runs."""
        self._child.close(force=True)

    def _read(self, wait_s: float) -> None:
        while True:
            try:
                data = self._child.read_nonblocking(1 << 16, wait_s)
            except (pexpect.TIMEOUT, pexpect.EOF, ValueError):
                return
            self.raw += data
            self._stream.feed(data)
            wait_s = 0.0

    def _answer(self, data: str) -> None:
        self._child.send(data)
