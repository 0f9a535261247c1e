"""`config.toml` as it is written at the first start."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from .declared import PARTS, Setting, declared

HEAD = """\
# Settings of llmos. A line with ## explains the one below it, which says what holds anyway: take
# its # away and change it, or let `llmos config set NAME VALUE` do it. `llmos config check` names
# what is wrong. What the kernel is told takes effect when it boots again.
"""
MODELS = """\
# Models by a name of yours, for [engine] model and `llmos boot --model NAME`. A table takes what
# [engine] takes, and what it says holds while that model is chosen. `llmos models add` writes one.
# [models.mine]
# model = "/path/to/a/folder"
"""
WIDTH = 98


def template() -> str:
    """Every setting with its explanation, as comments."""
    return "\n".join([HEAD, *(_part(name) for name in declared()), MODELS])


def _part(table: str) -> str:
    lines = [f"# {PARTS[table]}", f"[{table}]"]
    for setting in declared()[table].values():
        lines += _comment(setting)
    return "\n".join(lines) + "\n"


def _comment(setting: Setting) -> Iterator[str]:
    is_told = setting.default is not None or "default:" in setting.help
    words = setting.help if is_told else f"{setting.help} (not set)"
    yield from textwrap.wrap(words, WIDTH, initial_indent="## ", subsequent_indent="## ")
    value = "" if setting.default is None else literal(setting.default)
    yield f"# {setting.key} = {value}".rstrip()


def literal(value: Any) -> str:
    """A value as TOML writes it."""
    return json.dumps(value, ensure_ascii=False)
