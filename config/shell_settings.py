"""The table [shell] of `config.toml`: what can be set of the interactive shell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

TABLE = "shell"


class ShellSetting:
    """`default` has the type that a value has; `choices` are all that it may be."""

    __slots__ = ("choices", "default", "help")

    def __init__(self, default: bool | str | int, help: str, choices: Sequence[str] = ()) -> None:
        self.default = default
        self.help = help
        self.choices = choices

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if isinstance(self.default, bool):
            return "true or false"
        return " or ".join(self.choices) or "a whole number from 1"

    def read(self, value: Any) -> Any:
        """A value of a file. Raises ValueError."""
        if isinstance(value, str) and not isinstance(self.default, str):
            value = _of_text(value, self.default)
        right = type(value) is type(self.default)
        if right and self.choices:
            right = value in self.choices
        elif right and not isinstance(value, bool):
            right = value >= 1
        if not right:
            raise ValueError(f"{value!r} is not {self.allowed}")
        return value


def _of_text(text: str, default: bool | int) -> Any:
    """A value that comes from the environment, where all is text."""
    if isinstance(default, bool):
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    return int(text) if text.isdecimal() else text


SETTINGS: dict[str, ShellSetting] = {
    "colour": ShellSetting(True, "colours in the interactive shell; NO_COLOR wins"),
    "suggestions": ShellSetting(True, "show how a line of the history would go on, in grey"),
    "complete_while_typing": ShellSetting(False, "offer completions without Tab"),
    "rendered": ShellSetting(True, "answers as Markdown, calls with a spinner; LLMOS_PLAIN=1 wins"),
    "editing": ShellSetting(
        "emacs", "which editor the keys at the prompt are like", ("emacs", "vi")
    ),
}


def read(files: Sequence[str], environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the files and the environment say of the shell, over the defaults. The last file wins.
    What cannot be meant is left out here: the shell must start, and `config check` names it."""
    found = {key: setting.default for key, setting in SETTINGS.items()}
    layers = [_table(path) for path in files]
    names = {f"LLMOS_SHELL_{key.upper()}": key for key in SETTINGS}
    layers.append({key: environ[name] for name, key in names.items() if name in environ})
    for layer in layers:
        for key, value in layer.items():
            try:
                found[key] = SETTINGS[key].read(value)
            except (KeyError, ValueError):
                continue
    return found


def _table(path: str) -> dict[str, Any]:
    """The table of a file. One that holds but comments, as the first one does, is not parsed."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        return {}
    if not any(line.strip() and line.lstrip()[0] not in "#[" for line in text.splitlines()):
        return {}
    import tomllib

    try:
        table = tomllib.loads(text).get(TABLE, {})
    except ValueError:
        return {}
    return table if isinstance(table, dict) else {}
