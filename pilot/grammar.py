"""A small template language, so that one line of corpus stands for hundreds of sentences.

``[a|b|c]`` chooses one alternative (an empty one is allowed, brackets nest), ``{slot}`` inserts a
value. Slot values are inserted last and never expanded, whatever characters they hold.

Templates stand in the text files of ``requests/``: a line without indentation is the head of a
block, the indented lines after it are its templates, ``#`` begins a comment. What a head means is
the business of who reads the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random

GRAMMARS = Path(__file__).with_name("requests")

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_SPACES = re.compile(r" {2,}")


@cache
def blocks(name: str) -> Mapping[str, tuple[str, ...]]:
    """The templates of ``requests/NAME.txt`` by the head of their block."""
    read: dict[str, list[str]] = {}
    head = ""
    for line in (GRAMMARS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            read[head].append(line.strip())
        else:
            head = line.strip()
            read.setdefault(head, [])
    return {head: tuple(templates) for head, templates in read.items()}


@cache
def templates(name: str) -> tuple[str, ...]:
    """All templates of ``requests/NAME.txt``, whatever their block."""
    return tuple(template for block in blocks(name).values() for template in block)


@cache
def pool(name: str, head: str = "whole") -> tuple[str, ...]:
    """The words of a block that holds nothing but words."""
    return tuple(dict.fromkeys(word for line in blocks(name)[head] for word in line.split()))


def expand(rng: Random, template: str, slots: Mapping[str, str] | None = None) -> str:
    """One random sentence of ``template``.

    Raises KeyError if the template names a slot that ``slots`` lacks.
    """
    while (match := _INNERMOST.search(template)) is not None:
        choice = rng.choice(match.group(1).split("|"))
        template = template[: match.start()] + choice + template[match.end() :]
    template = _SPACES.sub(" ", template).strip()
    values = slots or {}
    return _SLOT.sub(lambda slot: values[slot.group(1)], template)


def one_of(rng: Random, templates: Sequence[str], /, **slots: str) -> str:
    """One random sentence of one of ``templates``."""
    return expand(rng, rng.choice(templates), slots)
