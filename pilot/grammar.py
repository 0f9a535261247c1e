"""A small template language, so that one line of corpus stands for hundreds of sentences.

``[a|b|c]`` chooses one alternative (an empty one is allowed, brackets nest), ``{slot}`` inserts a
value. Slot values are inserted last and never expanded, whatever characters they hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_SPACES = re.compile(r" {2,}")


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


def one_of(rng: Random, templates: Sequence[str], **slots: str) -> str:
    """One random sentence of one of ``templates``."""
    return expand(rng, rng.choice(templates), slots)
