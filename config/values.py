"""What holds, setting by setting, and who says so."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..kernel import config_file
from .declared import Setting, settings
from .faults import lines_of

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Held:
    """A value and where it comes from: `default`, `file:line`, or a variable's name."""

    setting: Setting
    value: Any
    source: str

    def record(self) -> dict[str, Any]:
        return {
            "name": self.setting.name,
            "value": self.value,
            "source": self.source,
            "default": self.setting.default,
            "allowed": self.setting.allowed,
            "help": self.setting.help,
        }


def held(files: Sequence[str], environ: Mapping[str, str]) -> dict[str, Held]:
    """Of each setting, by its name. The last of the files wins, the environment over all of them.
    Raises ValueError for a file that is not TOML."""
    found = {name: Held(one, one.default, DEFAULT) for name, one in settings().items()}
    for path in files:
        content, at = _read(path)
        for table, values in content.items():
            for key, value in values.items() if isinstance(values, dict) else ():
                name = f"{table}.{key}"
                if name in found:
                    found[name] = Held(found[name].setting, value, f"{path}:{at.get(name, 1)}")
    for name, one in found.items():
        variable = one.setting.variable
        if variable in environ:
            found[name] = Held(one.setting, environ[variable], variable)
    return found


def models(files: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The models that have a table of their own, by name."""
    found: dict[str, dict[str, Any]] = {}
    for path in files:
        entries = _read(path)[0].get(config_file.MODELS, {})
        if isinstance(entries, dict):
            found |= {name: one for name, one in entries.items() if isinstance(one, dict)}
    return found


def _read(path: str) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        text = Path(path).read_text(encoding="utf-8")
        return tomllib.loads(text), lines_of(text)
    except OSError:
        return {}, {}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
