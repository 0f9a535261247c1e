"""Syscalls as strace shows them: a line for each, begun when it starts and ended with its result.

[4] read_file(path="notes.txt") = 1,203 chars <0.012>
[4] read_file(path="nots.txt") = ENOENT no such file: nots.txt <0.003>

When something else comes between, a call is taken up again in a line of its own:

[4] wait(pid=5 <unfinished …>
[5] list_files() = "a.txt" <0.004>
[4] <… wait resumed>) = 34 chars <2.104>
"""

from __future__ import annotations

import json

from .following import status_text
from .output import cut, harmless, one_line, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..kernel.messages import PastCall, Seen

SHORT_RESULT = 40
"""Columns of a result, on one line, that is shown itself and not counted."""
WIDEST_ERROR = 160

FIELDS = {
    "call": ("call_id", "name", "arguments"),
    "result": ("call_id", "name", "ok", "errno", "text", "size", "duration_s"),
    "born": ("parent", "name"),
    "signal": ("name",),
    "exit": ("status",),
}
"""Of each kind, what `--json` tells beside pid and time."""


class Selection:
    """Which syscalls are shown: those of a name or a pattern (`read_*`), or all but those behind a
    `!`."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._wanted: list[str] = []
        self._unwanted: list[str] = []
        for pattern in patterns:
            (self._unwanted if pattern[:1] == "!" else self._wanted).append(pattern.lstrip("!"))

    def has(self, name: str) -> bool:
        from fnmatch import fnmatchcase

        if any(fnmatchcase(name, pattern) for pattern in self._unwanted):
            return False
        return not self._wanted or any(fnmatchcase(name, one) for one in self._wanted)


class Trace:
    """Writes what is seen, as lines or as JSON; `max_text` is how much of a text among the
    arguments is shown, and `times` puts the time of the day before each line."""

    def __init__(
        self, write: Callable[[str], None], *, max_text: int, times: bool, as_json: bool
    ) -> None:
        self._write = write
        self._max_text = max_text
        self._times = times
        self._as_json = as_json
        self._open: tuple[int, str] | None = None
        """The call whose line waits for its result."""

    def show(self, seen: Seen) -> None:
        if self._as_json:
            told = {name: getattr(seen, name) for name in FIELDS[seen.kind]}
            document = {"event": seen.kind, "pid": seen.pid, "at": seen.at, **told}
            self._write(json.dumps(document) + "\n")
        else:
            _SHOWN[seen.kind](self, seen)

    def note(self, words: str) -> None:
        """A line of our own."""
        if not self._as_json:
            self.close()
            self._write(f"{words}\n")

    def close(self) -> None:
        """End the line that is open, if one is."""
        if self._open is not None:
            self._write(" <unfinished …>\n")
            self._open = None

    def _begin(self, seen: Seen, text: str) -> None:
        self.close()
        if self._times and seen.at is not None:
            self._write(f"{clock_text(seen.at)} ")
        self._write(f"[{seen.pid}] {text}")

    def _call(self, seen: Seen) -> None:
        self._begin(seen, f"{harmless(seen.name)}({arguments_text(seen.arguments, self._max_text)}")
        self._open = (seen.pid, seen.call_id)

    def _result(self, seen: Seen) -> None:
        if self._open == (seen.pid, seen.call_id):
            self._open = None
        else:
            self._begin(seen, f"<… {harmless(seen.name)} resumed>")
        self._write(f") = {result_text(seen)} <{seen.duration_s:.3f}>\n")

    def _born(self, seen: Seen) -> None:
        name = one_line(seen.name, WIDEST_ERROR)
        self._begin(seen, f"+++ started by {seen.parent}: {name} +++\n")

    def _signal(self, seen: Seen) -> None:
        self._begin(seen, f"--- {harmless(seen.name)} ---\n")

    def _exit(self, seen: Seen) -> None:
        self._begin(seen, f"+++ exited with {status_text(seen.status)} +++\n")


_SHOWN: dict[str, Callable[[Trace, Any], None]] = {
    "call": Trace._call,
    "result": Trace._result,
    "born": Trace._born,
    "signal": Trace._signal,
    "exit": Trace._exit,
}


def arguments_text(arguments: dict[str, Any], max_text: int) -> str:
    """`path="notes.txt", count=20`, on one line and harmless."""
    given = (f"{name}={_value_text(value, max_text)}" for name, value in arguments.items())
    return harmless(", ".join(given))


def _value_text(value: Any, max_text: int) -> str:
    if isinstance(value, str):
        shown = json.dumps(value[:max_text], ensure_ascii=False)
        return shown + "…" if len(value) > max_text else shown
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 2 * max_text else text[: 2 * max_text] + "…"


def result_text(seen: Seen | PastCall) -> str:
    """A short result itself, of a long one its length; of an error its name and words."""
    if seen.errno:
        words = seen.text.partition(":")[2]
        return f"{harmless(seen.errno)} {one_line(words, WIDEST_ERROR)}".rstrip()
    if "\n" not in seen.text.strip() and len(seen.text) == seen.size <= SHORT_RESULT:
        return cut(harmless(json.dumps(seen.text, ensure_ascii=False)), SHORT_RESULT + 2)
    return f"{seen.size:,} chars"


def clock_text(at: float) -> str:
    from time import localtime, strftime

    return f"{strftime('%H:%M:%S', localtime(at))}.{int(at % 1 * 1000):03d}"


class Tally:
    """Calls, errors and time of each syscall."""

    def __init__(self) -> None:
        self._calls: dict[str, list[float]] = {}

    def count(self, seen: Seen | PastCall) -> None:
        times = self._calls.setdefault(seen.name, [0, 0, 0.0])
        times[0] += 1
        times[1] += bool(seen.errno)
        times[2] += seen.duration_s or 0.0

    def rows(self) -> list[dict[str, Any]]:
        """The one that took longest first."""
        ordered = sorted(self._calls.items(), key=lambda one: (-one[1][2], one[0]))
        return [
            {"name": name, "calls": int(calls), "errors": int(errors), "seconds": took_s}
            for name, (calls, errors, took_s) in ordered
        ]

    def text(self, width: int | None) -> str:
        rows = self.rows()
        whole_s = sum(row["seconds"] for row in rows)
        total = {
            "name": "total",
            "seconds": whole_s,
            "calls": sum(row["calls"] for row in rows),
            "errors": sum(row["errors"] for row in rows),
        }
        cells = [
            (
                f"{100 * row['seconds'] / whole_s if whole_s else 0:6.1f}",
                f"{row['seconds']:9.3f}",
                f"{1000 * row['seconds'] / max(row['calls'], 1):9.1f}",
                f"{row['calls']:,}",
                f"{row['errors']:,}" if row["errors"] else "-",
                row["name"],
            )
            for row in (*rows, total)
        ]
        header = ("% TIME", "  SECONDS", "  MS/CALL", "CALLS", "ERRORS", "SYSCALL")
        return table(header, cells, width)
