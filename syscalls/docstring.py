"""Reads a docstring: its summary, and what it says about each argument."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

_SECTION = re.compile(r"(Args|Arguments|Parameters):\s*")
_GOOGLE = re.compile(r"(?P<indent>\s+)\*{0,2}(?P<name>\w+)\s*(\([^)]*\))?\s*:\s*(?P<text>.*)")
_SPHINX = re.compile(r":(?:param|parameter|arg)\s+(?:[^:]*\s)?(?P<name>\w+):\s*(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Docstring:
    summary: str
    text: str
    arguments: dict[str, str] = field(default_factory=dict)


def read_docstring(function: object, name: str) -> Docstring:
    """Of a function without a docstring, its name is all that there is to say."""
    text = inspect.cleandoc(getattr(function, "__doc__", None) or name.replace("_", " "))
    summary = " ".join(text.split("\n\n", 1)[0].split())
    return Docstring(summary, text, _google(text) or _sphinx(text))


def _google(text: str) -> dict[str, str]:
    """An indented block under `Args:`, `name (type): text`, deeper lines going on."""
    lines = iter(text.splitlines())
    if not any(_SECTION.fullmatch(line) for line in lines):
        return {}
    found: dict[str, str] = {}
    name, depth = "", 0
    for line in lines:
        if line and not line[0].isspace():
            break
        match = _GOOGLE.fullmatch(line)
        if match and (not name or len(match["indent"]) <= depth):
            name, depth = match["name"], len(match["indent"])
            found[name] = match["text"]
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _sphinx(text: str) -> dict[str, str]:
    """Fields `:param path: text`, indented lines going on."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if match := _SPHINX.fullmatch(line.strip()):
            name = match["name"]
            found[name] = match["text"]
        elif name and line.strip() and line[0].isspace():
            found[name] = f"{found[name]} {line.strip()}".strip()
        else:
            name = ""
    return found
