"""The kernel's options in files, by tables: `config.toml`, and `kernel.toml`, which `tune` writes.
They become words of the command line before its own, so that the command line wins, and all of it
is read by the same rules.

What the layers say of one option does not add up: a file that comes later wins over the one before,
the environment (`LLMOS_ENGINE_MODEL`) over both. A model that has a table of its own,
`[models.NAME]`, brings options of the engine along when it is the one that is chosen.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..syscalls.errno import did_you_mean

MODELS = "models"
ENGINE = "engine"
OF_OTHERS = ("shell",)
"""Tables of the same file that the kernel leaves to whom they are for."""

Options = dict[str, argparse.Action]
Tables = Sequence[argparse._ArgumentGroup]
Words = dict[str, list[str]]
"""By option, as `--max-num-seqs`: what is said of it."""

YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


class Said:
    """What the layers say together. The methods that add one raise ValueError."""

    def __init__(self, tables: Tables) -> None:
        self._by_name = {str(group.title): options_of(group) for group in tables}
        self.words: Words = {}
        self.models: dict[str, Words] = {}

    def add_file(self, path: Path) -> None:
        try:
            self.add(tomllib.loads(path.read_text()))
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def add(self, content: Mapping[str, Any]) -> None:
        """The content of a file."""
        for table, values in content.items():
            if table in OF_OTHERS:
                continue
            if not isinstance(values, dict):
                raise ValueError(f"{table} stands in no table; there are {self._tables()}")
            if table == MODELS:
                self.models |= {name: self.of_model(name, one) for name, one in values.items()}
            elif table not in self._by_name:
                raise ValueError(f"there is no table [{table}]; there are {self._tables()}")
            else:
                self.words |= self._of_table(table, self._by_name[table], values)

    def add_environment(self, environ: Mapping[str, str]) -> None:
        for table, options in self._by_name.items():
            for key, action in options.items():
                name = variable(table, key)
                if name in environ:
                    value = of_environment(action, environ[name], name)
                    self.words[action.option_strings[0]] = words_of(name, action, value)

    def of_model(self, name: str, values: Any) -> Words:
        """What a model's own table says: options of the engine, `model` among them."""
        if not isinstance(values, dict):
            raise ValueError(f"{MODELS}.{name} is no table; it is [{MODELS}.{name}]")
        words = self._of_table(f"{MODELS}.{name}", self._by_name[ENGINE], values)
        if "--model" not in words:
            raise ValueError(f"[{MODELS}.{name}] says no model: a folder, or a name")
        return words

    def line(self, model: Words | None = None) -> list[str]:
        """All of it, as words of a command line."""
        return [word for words in (self.words | (model or {})).values() for word in words]

    def _of_table(self, table: str, known: Options, values: Mapping[str, Any]) -> Words:
        found: Words = {}
        for key, value in values.items():
            if key not in known:
                near = did_you_mean(key, known) or f"there are {', '.join(known)}"
                raise ValueError(f"there is no option {key!r} in [{table}]: {near}")
            found[known[key].option_strings[0]] = words_of(key, known[key], value)
        return found

    def _tables(self) -> str:
        return ", ".join(f"[{name}]" for name in (*self._by_name, f"{MODELS}.NAME", *OF_OTHERS))


def options_of(group: argparse._ArgumentGroup) -> Options:
    """The options of a table by their keys."""
    return {
        action.option_strings[0].removeprefix("--").replace("-", "_"): action
        for action in group._group_actions
    }


def variable(table: str, key: str) -> str:
    """The variable of the environment that says the same: `LLMOS_ENGINE_MODEL`."""
    return f"LLMOS_{table}_{key}".upper()


def of_environment(action: argparse.Action, text: str, name: str) -> Any:
    """What a variable of the environment says, as a file would say it."""
    if action.nargs != 0:
        return text
    if text.lower() not in (*YES, *NO):
        raise ValueError(f"{name} is true or false, not {text!r}")
    return text.lower() in YES


def words_of(key: str, action: argparse.Action, value: Any) -> list[str]:
    """A value of an option, as words of a command line. Raises ValueError."""
    option = action.option_strings[0]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError(f"{key} is true or false, not {value!r}")
        return [option] if value else []
    is_list = isinstance(value, list) and isinstance(action, argparse._AppendAction)
    several = value if is_list else [value]
    for one in several:
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            raise ValueError(f"{key} is a text or a number, not {one!r}")
    return [f"{option}={one}" for one in several]
