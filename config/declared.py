"""All that can be set, by table and key: the kernel's options and the shell's settings."""

from __future__ import annotations

import argparse
import functools
from dataclasses import dataclass
from typing import Any

from ..kernel import command_line, config_file
from . import shell_settings
from .shell_settings import ShellSetting

PARTS = {
    "engine": "The engine: which model it serves, and how.",
    "processes": "Bounds of processes.",
    "scheduler": "Who goes next when the engine is busy.",
    "memory": "What leaves a full window, and what comes back.",
    "shell": "The interactive shell.",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One of them. `default` is None where something else decides unless it is set."""

    table: str
    key: str
    default: Any
    help: str
    allowed: str
    origin: argparse.Action | ShellSetting

    @property
    def name(self) -> str:
        return f"{self.table}.{self.key}"

    @property
    def variable(self) -> str:
        """The variable of the environment that says the same."""
        return config_file.variable(self.table, self.key)

    @property
    def choices(self) -> tuple[str, ...]:
        """What completes it; a plugin's name may do, too."""
        if isinstance(self.origin, ShellSetting):
            return tuple(self.origin.choices)
        return tuple(getattr(self.origin.type, "names", ()))

    def check(self, value: Any) -> None:
        """A value of a file. Raises ValueError, saying what is allowed."""
        if isinstance(self.origin, ShellSetting):
            self.origin.read(value)
            return
        for word in config_file.words_of(self.key, self.origin, value):
            self._try(word.partition("=")[2])

    def _try(self, text: str) -> None:
        kind = getattr(self.origin, "type", None)
        if kind is None:
            return
        try:
            kind(text)
        except argparse.ArgumentTypeError as error:
            raise ValueError(str(error)) from None
        except (ValueError, TypeError):
            raise ValueError(f"{text!r} is not {self.allowed}") from None

    def value_of(self, text: str) -> Any:
        """What is typed on a command line, as a file would say it: `12`, `true`, `mlfq`."""
        if isinstance(self.origin, ShellSetting):
            return self.origin.read(text)
        if self.origin.nargs == 0:
            return config_file.of_environment(self.origin, text, self.name)
        if isinstance(self.origin, argparse._AppendAction):
            return [text]
        kind = self.origin.type
        self.check(text)
        value = kind(text) if callable(kind) else text
        return value if isinstance(value, int | float) else text


@functools.cache
def declared() -> dict[str, dict[str, Setting]]:
    """By table and key, in the order of the file."""
    found: dict[str, dict[str, Setting]] = {}
    for group in command_line.make_parser()[1]:
        table = str(group.title)
        options = config_file.options_of(group)
        found[table] = {key: _of_kernel(table, key, option) for key, option in options.items()}
    found[shell_settings.TABLE] = {
        key: Setting(shell_settings.TABLE, key, one.default, one.help, one.allowed, one)
        for key, one in shell_settings.SETTINGS.items()
    }
    return found


def settings() -> dict[str, Setting]:
    """By their names, as `engine.model`."""
    return {one.name: one for table in declared().values() for one in table.values()}


def _of_kernel(table: str, key: str, action: argparse.Action) -> Setting:
    default = action.default if action.default not in ([], argparse.SUPPRESS) else None
    words = str(action.help or "").replace("%(default)s", str(default))
    # The default stands beside it; only where none is known do the words say it.
    words = words.replace(f" (default: {default})", "").replace(f"(default: {default}; ", "(")
    return Setting(table, key, default, words, _allowed(action), action)


def _allowed(action: argparse.Action) -> str:
    if action.nargs == 0:
        return "true or false"
    kind = action.type
    if kind is float:
        return "a number"
    if kind is int:
        return "a whole number"
    words = "a text"
    if kind is not None and kind is not str:  # then its first sentence says what it takes
        words = str(kind.__doc__).split(".\n")[0].split(". ")[0].rstrip(".")
        is_name = words[1:2].isupper()
        words = words if is_name else words[0].lower() + words[1:]
    return f"{words}; or a list" if isinstance(action, argparse._AppendAction) else words
