"""What of a JSON schema no grammar can be made of.

The grammar that constrains a call comes from its schema, and one syscall that has none would take
the turns of all agents that it is offered to. Most of what a grammar cannot hold a model to, it
lets pass (xgrammar: `multipleOf`, `uniqueItems`, formats, a length beside a pattern), and the check
of the call does not. A pattern that cannot be parsed is its author's to change.
"""

from __future__ import annotations

import re

_UNPARSABLE = {
    "b": "a word boundary",
    "B": "a word boundary",
    "p": "a class of Unicode characters",
    "P": "a class of Unicode characters",
} | dict.fromkeys("123456789", "a reference back")
_ESCAPE = re.compile(r"\\(.)|(\(\?P=)", re.DOTALL)


def check_constrainable(schema: object) -> None:
    """Raises ValueError for a pattern, however deep in it, of which no grammar can be made."""
    if isinstance(schema, list):
        for one in schema:
            check_constrainable(one)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "pattern" and isinstance(value, str):
                _check_pattern(value)
            elif key == "patternProperties" and isinstance(value, dict):
                for pattern in value:
                    _check_pattern(pattern)
            if key not in ("default", "const", "enum", "examples"):
                check_constrainable(value)


def _check_pattern(pattern: str) -> None:
    for match in _ESCAPE.finditer(pattern):
        what = "a reference back" if match[2] else _UNPARSABLE.get(match[1])
        if what:
            raise ValueError(
                f"the pattern {pattern} has {what} ({match[0]}), which the engine cannot constrain:"
                " check it inside the function"
            )
