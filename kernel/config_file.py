"""`kernel.toml`: the kernel's options in a file, by tables. They are as many words of the command
line before its own, so that the command line wins, and both are read by the same rules."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..syscalls.errno import did_you_mean


def words(path: Path, tables: Sequence[argparse._ArgumentGroup]) -> list[str]:
    """What the file says, as words of a command line: a key of the table `[engine]` is an option of
    the group `engine`. Raises ValueError, with the key that is at fault."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    by_name = {str(group.title): _options(group) for group in tables}
    found: list[str] = []
    for table, values in content.items():
        if not isinstance(values, dict):
            raise ValueError(f"{path}: {table} stands in no table; there are {_list(by_name)}")
        known = by_name.get(table)
        if known is None:
            raise ValueError(f"{path}: there is no table [{table}]; there are {_list(by_name)}")
        for key, value in values.items():
            if key not in known:
                near = did_you_mean(key, known) or f"there are {', '.join(known)}"
                raise ValueError(f"{path}: there is no option {key!r} in [{table}]: {near}")
            found += _words(path, key, known[key], value)
    return found


def _options(group: argparse._ArgumentGroup) -> dict[str, argparse.Action]:
    """By their keys."""
    return {
        action.option_strings[0].removeprefix("--").replace("-", "_"): action
        for action in group._group_actions
    }


def _words(path: Path, key: str, action: argparse.Action, value: Any) -> Iterator[str]:
    option = action.option_strings[0]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError(f"{path}: {key} is true or false, not {value!r}")
        if value:
            yield option
        return
    several = (
        value if isinstance(value, list) and isinstance(action, argparse._AppendAction) else [value]
    )
    for one in several:
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            raise ValueError(f"{path}: {key} is a text or a number, not {one!r}")
        yield f"{option}={one}"


def _list(tables: dict[str, Any]) -> str:
    return ", ".join(f"[{name}]" for name in tables)
