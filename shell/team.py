"""A team file: units and what binds them, read from TOML into what a supervisor takes.

    [unit.reader]
    exec = "read notes.txt"
    instances = 2
    [unit.writer]
    exec = "sum it up"
    stdin = ["reader"]

Every fault is told with the line where it stands.
"""

from __future__ import annotations

import os
import re

from .arguments import budget, duration, limit
from .errors import UsageError
from .verb import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Read = Callable[[Any], Any]

RESTARTS = {"never": "temporary", "on-failure": "transient", "always": "permanent"}
STRATEGIES = ("one-for-one", "one-for-all", "rest-for-one")
MOST_INSTANCES = 256
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,35}")
_HEADER = re.compile(r"""\s*\[\s*unit\s*\.\s*["']?([^\]"']+)["']?\s*\]""")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")


class Wrong(Exception):
    """What a value should have been."""


class Team:
    """A file that was read. `spec` is a `Supervision`, `units` their children's names by unit."""

    __slots__ = ("budget", "limits", "name", "root", "spec", "units")

    def __init__(self, path: str, text: str) -> None:
        """Raises UsageError, with `FILE:LINE`."""
        file = _File(path, text)
        top = file.table((), file.data, _TOP)
        units = top.get("unit") or {}
        if not units:
            file.refuse((), "there is no unit: it begins with [unit.NAME]")
        self.name: str = top.get("name") or os.path.splitext(os.path.basename(path))[0]
        folder = os.path.dirname(os.path.abspath(path))
        self.root = os.path.abspath(os.path.join(folder, os.path.expanduser(top.get("root", "."))))
        if not os.path.isdir(self.root):
            file.refuse(("root",), f"{self.root} is not a folder")
        self.limits: dict[str, Any] = top.get("limits", {})
        self.budget: int | None = top.get("budget")
        read = {name: file.unit(name, given) for name, given in units.items()}
        self.units = {name: _instances(name, unit) for name, unit in read.items()}
        children = [
            child for name, unit in read.items() for child in self._children(file, name, unit)
        ]
        if len(children) > MOST_INSTANCES:
            file.refuse((), f"{len(children)} processes are more than {MOST_INSTANCES}")
        self.spec: dict[str, Any] = {"children": children}
        for key in ("strategy", "max_restarts", "window_s"):
            if key in top:
                self.spec[key] = top[key]

    @property
    def unread(self) -> list[str]:
        """Children whose output no other one reads: that of the team."""
        read = {name for child in self.spec["children"] for name in child["reads"]}
        return [child["name"] for child in self.spec["children"] if child["name"] not in read]

    def _children(self, file: _File, name: str, unit: dict[str, Any]) -> list[dict[str, Any]]:
        unit = dict(unit)
        unit.pop("instances", None)
        for key in ("after", "reads"):
            unit[key] = [
                child
                for other in unit.get(key, ())
                for child in self._named(file, name, "stdin" if key == "reads" else key, other)
            ]
        return [
            {**unit, "name": child, "task": _numbered(unit.get("task"), number)}
            for number, child in enumerate(self.units[name], start=1)
        ]

    def _named(self, file: _File, unit: str, key: str, other: str) -> list[str]:
        if other not in self.units:
            near = did_you_mean(other, self.units)
            file.refuse(("unit", unit, key), f"there is no unit {other!r}{near}")
        return self.units[other]


class _File:
    """A file with its lines, for faults."""

    def __init__(self, path: str, text: str) -> None:
        import tomllib

        self._path, self._lines = path, text.splitlines()
        try:
            self.data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            where = re.search(r"\(at line (\d+), column \d+\)", str(error))
            line = int(where[1]) if where else max(len(self._lines), 1)
            words = re.sub(r" \(at [^)]*\)", "", str(error))
            raise UsageError(f"{path}:{line}: this is no TOML: {words}") from None

    def unit(self, name: str, given: object) -> dict[str, Any]:
        """The fields of a `ChildSpec`, and `instances`."""
        at = ("unit", name)
        if not _NAME.fullmatch(name):
            self.refuse(at, f"{name!r} is not a name (letters, digits, _ . and -, 36 at most)")
        if not isinstance(given, dict):
            self.refuse(at, "a unit is a table: [unit.NAME]")
        unit = self.table(at, given, _UNIT)
        unit.setdefault("restart", "permanent" if unit.get("interactive") else "transient")
        if not unit.get("task") and not unit.get("interactive"):
            self.refuse(at, "exec: what is it to do?")
        return unit

    def table(
        self, at: tuple[str, ...], given: dict[str, Any], known: dict[str, tuple[str, Read]]
    ) -> dict[str, Any]:
        """Each key under the kernel's name for it, and its value as the kernel takes it."""
        read = {}
        for key, value in given.items():
            if key not in known:
                near = did_you_mean(key, known)
                there = "" if near else f"; there are {', '.join(known)}"
                self.refuse((*at, key), f"there is no key {key!r}{near}{there}")
            name, as_kernel = known[key]
            try:
                read[name] = as_kernel(value)
            except Exception as error:  # argparse's own error type says it in words, too
                self.refuse((*at, key), f"{key}: {error}")
        return read

    def refuse(self, at: tuple[str, ...], words: str) -> NoReturn:
        raise UsageError(f"{self._path}:{self._line(at)}: {words}")

    def _line(self, at: tuple[str, ...]) -> int:
        """Where it stands, or what it is part of; the first line if that cannot be told."""
        found, section = 1, ""
        unit, key = (at[1], at[2:]) if at[:1] == ("unit",) and len(at) > 1 else ("", at)
        for number, line in enumerate(self._lines, start=1):
            if header := _HEADER.match(line):
                section = header[1].strip()
                if section == unit:
                    found = number
            elif line.lstrip().startswith("["):
                section = "?"
            elif section == unit and key and (match := _KEY.match(line)) and match[1] == key[0]:
                return number
        return found


# ---- values ------------------------------------------------------------------------------------


def _instances(name: str, unit: dict[str, Any]) -> list[str]:
    number = unit.get("instances", 1)
    return [name] if number == 1 else [f"{name}-{n}" for n in range(1, number + 1)]


def _numbered(task: str | None, number: int) -> str | None:
    return None if task is None else task.replace("{n}", str(number))


def _kind(kind: type, words: str) -> Read:
    def read(value: Any) -> Any:
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise Wrong(f"{value!r} is not {words}")
        return value

    return read


_text, _flag = _kind(str, "a text"), _kind(bool, "true or false")
_table = _kind(dict, "a table")


def _number(least: int, most: int) -> Read:
    def read(value: Any) -> int:
        number: int = _kind(int, "a whole number")(value)
        if not least <= number <= most:
            raise Wrong(f"{number} is not from {least} to {most}")
        return number

    return read


def _texts(value: Any) -> list[str]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise Wrong(f"{value!r} is not a list of texts")
    return values


def _seconds(value: Any) -> float:
    """30, "90s", "5m"."""
    return float(duration(str(value)))


def _tokens(value: Any) -> int:
    return int(budget(str(value)))


def _limits(value: Any) -> dict[str, Any]:
    """`{tokens = "10k", wall_s = "50s:1m"}`."""
    return dict(limit(f"{name}={amount}") for name, amount in _table(value).items())


def _choice(*words: str, **meant: str) -> Read:
    known = {**{word: word for word in words}, **meant}

    def read(value: Any) -> str:
        if value not in known:
            raise Wrong(f"{value!r} is none of {', '.join(known)}{did_you_mean(str(value), known)}")
        return known[value]

    return read


_TOP: dict[str, tuple[str, Read]] = {
    "name": ("name", _text),
    "root": ("root", _text),
    "strategy": ("strategy", lambda value: _choice(*STRATEGIES)(value).replace("-", "_")),
    "max_restarts": ("max_restarts", _number(0, 1_000_000)),
    "window": ("window_s", _seconds),
    "limits": ("limits", _limits),
    "budget": ("budget", _tokens),
    "unit": ("unit", _table),
}

_UNIT: dict[str, tuple[str, Read]] = {
    "exec": ("task", _text),
    "program": ("program", _text),
    "instances": ("instances", _number(1, MOST_INSTANCES)),
    "interactive": ("interactive", _flag),
    "restart": ("restart", _choice(**RESTARTS)),
    "after": ("after", _texts),
    "stdin": ("reads", _texts),
    "tools": ("tools", _texts),
    "limits": ("limits", _limits),
    "budget": ("budget", _tokens),
    "nice": ("nice", _number(-20, 19)),
    "timeout": ("timeout_s", _seconds),
    "watchdog": ("watchdog_s", _seconds),
    "shutdown": ("shutdown_s", _seconds),
}
