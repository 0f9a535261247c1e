"""What of a JSON schema an engine can hold a model to.

The grammar that constrains a call comes from its schema, and one syscall that no grammar can be
made of would take their calls from all agents that it is offered to. What only narrows a value is
left out, told in words instead, and checked when the call is made, as everything is. A pattern that
no grammar can be made of is its author's to change. (What vLLM takes to xgrammar: its
`has_xgrammar_unsupported_json_features`.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FORMATS = frozenset(
    "date date-time duration email hostname ipv4 ipv6 json-pointer relative-json-pointer time uri"
    " uri-reference uri-template uuid".split()
)
_WORDS = {
    "multipleOf": "a multiple of {}",
    "uniqueItems": "each once",
    "contains": "",
    "minContains": "",
    "maxContains": "",
    "propertyNames": "",
    "patternProperties": "",
}
_UNPARSABLE = {
    "b": "a word boundary",
    "B": "a word boundary",
    "p": "a class of Unicode characters",
    "P": "a class of Unicode characters",
} | dict.fromkeys("123456789", "a reference back")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def constrainable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema as a grammar can be made of it. Raises ValueError for a pattern of which none
    can."""
    told: list[str] = []
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _WORDS:
            told.append(_WORDS[key].format(value) if value is not False else "")
        elif key == "format" and value not in FORMATS:
            continue
        elif key in ("default", "const", "enum", "examples", "description"):
            kept[key] = value
        elif key in ("properties", "$defs"):
            kept[key] = {name: constrainable(one) for name, one in value.items()}
        elif isinstance(value, dict):
            kept[key] = constrainable(value)
        elif isinstance(value, list):
            kept[key] = [constrainable(one) if isinstance(one, dict) else one for one in value]
        else:
            kept[key] = value
    if "pattern" in kept:
        _check(str(kept["pattern"]))
    if "pattern" in kept or "format" in kept:
        bounds = {name: kept.pop(name) for name in ("minLength", "maxLength") if name in kept}
        told += [f"{_BOUNDS[name]} {bound} characters" for name, bound in bounds.items()]
    words = ", ".join(word for word in told if word)
    if words:
        kept["description"] = f"{kept['description']} ({words})" if "description" in kept else words
    return kept


_BOUNDS = {"minLength": "at least", "maxLength": "at most"}


def _check(pattern: str) -> None:
    for match in _ESCAPE.finditer(pattern):
        if what := _UNPARSABLE.get(match[1]):
            raise ValueError(
                f"the pattern {pattern} has {what} ({match[0]}), which the engine cannot constrain:"
                " check it inside the function"
            )
    if "(?P=" in pattern:
        raise ValueError(
            f"the pattern {pattern} has a reference back ((?P=), which the engine cannot constrain:"
            " check it inside the function"
        )
