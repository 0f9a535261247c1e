"""Reads a docstring: its summary, what it says about each argument, and its example."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

_SECTION = re.compile(r"(Args|Arguments|Parameters):\s*")
_EXAMPLE = re.compile(r"Examples?:\s*(?P<text>.*)")
_GOOGLE = re.compile(r"(?P<indent>\s+)\*{0,2}(?P<name>\w+)\s*(\([^)]*\))?\s*:\s*(?P<text>.*)")
_SPHINX = re.compile(r":(?:param|parameter|arg)\s+(?:[^:]*\s)?(?P<name>\w+):\s*(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Docstring:
    """`text` is all but the arguments and the example, which have a place of their own."""

    summary: str
    text: str
    arguments: dict[str, str] = field(default_factory=dict)
    example: str = ""


def read_docstring(function: object, name: str) -> Docstring:
    """Of a function without a docstring, its name is all that there is to say."""
    text = inspect.cleandoc(getattr(function, "__doc__", None) or name.replace("_", " "))
    summary = " ".join(text.split("\n\n", 1)[0].split())
    arguments = _google(text)
    return Docstring(summary, _prose(text), arguments or _sphinx(text), _example(text))


def _google(text: str) -> dict[str, str]:
    """An indented block under `Args:`, `name (type): text`, deeper lines going on."""
    found: dict[str, str] = {}
    name, depth = "", 0
    for line in _section(text.splitlines(), _SECTION):
        match = _GOOGLE.fullmatch(line)
        if match and (not name or len(match["indent"]) <= depth):
            name, depth = match["name"], len(match["indent"])
            found[name] = match["text"]
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _section(lines: list[str], heading: re.Pattern[str]) -> list[str]:
    """The indented lines under a heading."""
    for index, line in enumerate(lines):
        if heading.fullmatch(line):
            return [line for line, inside in _indented(lines[index + 1 :]) if inside]
    return []


def _indented(lines: list[str]) -> list[tuple[str, bool]]:
    """Each line, and whether all up to it are indented or blank."""
    inside, marked = True, []
    for line in lines:
        inside = inside and (not line or line[0].isspace())
        marked.append((line, inside))
    return marked


def _example(text: str) -> str:
    """What stands under `Example:`, or behind it on its line."""
    lines = text.splitlines()
    for line in lines:
        if (match := _EXAMPLE.fullmatch(line)) and match["text"]:
            return match["text"]
    return inspect.cleandoc("\n".join(["", *_section(lines, _EXAMPLE)])).strip()


def _prose(text: str) -> str:
    """Without the sections, and without fields."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        if _SECTION.fullmatch(line) or _EXAMPLE.fullmatch(line) or _SPHINX.fullmatch(line.strip()):
            inside = True
        elif inside and line and not line[0].isspace():
            inside = False
        if not inside:
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


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
