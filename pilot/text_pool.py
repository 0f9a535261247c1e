"""Texts that stand in files, notes and results: sentences, lists, code, settings, logs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from . import words
from .grammar import one_of, templates

_PHRASES = (
    "[the|my|a|your|our] {noun}",
    "[the|my|a|our] {adjective} {noun}",
    "{verb} the {noun}",
    "{verb} [the|a|my] {adjective} {noun}",
    "{adjective} {noun}",
    "{name}'s {noun}",
    "the {noun} of the {other}",
)

_CODE = (
    "import {noun}",
    "from {noun} import {other}",
    "def {id}({noun}):",
    "    return {noun} + {digits}",
    "{noun} = {digits}",
    '{id} = "{noun}"',
    "print({noun})",
    'print("{adjective} {noun}")',
    "for {noun} in {other}:",
    "# TODO: {verb} the {noun}",
    "# {verb} the {noun}",
    "class {id}:",
)

_SETTINGS = (
    "{noun} = {digits}",
    "{noun}: {other}",
    "{id}={digits}",
    "({noun})",
    "{noun},{digits},{other}",
    "- {noun}: {digits}",
    '"{noun}": "{other}",',
)

_LOG = (
    "{date} {clock} [INFO|ERROR|WARN] {noun} {verb}",
    "{clock} [error|warning|info]: {noun} {digits}",
    "{date} {noun} started",
    "[error|warning]: {adjective} {noun} in {id}",
)

_LIST = ("- {noun}", "- {verb} the {noun}", "* {noun}", "{noun}", "{noun}: {digits}")


def slots(rng: Random) -> dict[str, str]:
    """A fresh value for every slot that a template of this file may name."""
    return {
        "noun": words.noun(rng),
        "other": words.noun(rng),
        "adjective": rng.choice(words.ADJECTIVES),
        "verb": rng.choice(words.VERBS),
        "verb2": rng.choice(words.VERBS),
        "name": words.name(rng),
        "name2": words.name(rng),
        "place": words.place(rng),
        "weekday": rng.choice(words.WEEKDAYS),
        "hour": rng.choice(words.NUMBER_WORDS),
        "clock": words.clock(rng),
        "date": words.date(rng),
        "digits": words.digits(rng),
        "id": words.identifier(rng),
        "secret": words.digits(rng, 5) if rng.random() < 0.5 else words.identifier(rng),
    }


def phrase(rng: Random) -> str:
    return one_of(rng, _PHRASES, **slots(rng))


def sentence(rng: Random) -> str:
    """One sentence without a full stop, a fifth of them only random words."""
    if rng.random() < 0.2:
        return " ".join(words.noun(rng) for _ in range(rng.randint(1, 6)))
    return one_of(rng, templates("sentences"), **slots(rng))


def tool_result(rng: Random) -> str:
    """What some tool returns."""
    return one_of(rng, templates("results"), **slots(rng))


def _prose_line(rng: Random) -> str:
    text = sentence(rng)
    if rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    return text + rng.choice(("", "", ".", ".", "!", ", " + phrase(rng)))


def line(rng: Random) -> str:
    """One line as it may stand in any file."""
    kind = rng.random()
    if kind < 0.5:
        return _prose_line(rng)
    pool = _CODE if kind < 0.65 else _SETTINGS if kind < 0.8 else _LOG if kind < 0.9 else _LIST
    return one_of(rng, pool, **slots(rng))


def lines(rng: Random, count: int) -> list[str]:
    """Lines of one kind, as a real file has them."""
    kind = rng.random()
    if kind < 0.35:
        return [_prose_line(rng) for _ in range(count)]
    pool: Sequence[str] = _CODE if kind < 0.55 else _SETTINGS if kind < 0.7 else _LOG
    if kind >= 0.8:
        pool = (rng.choice(_LIST),)
    return [one_of(rng, pool, **slots(rng)) for _ in range(count)]


def file_text(rng: Random) -> list[str]:
    """The lines of a file: mostly one to four, sometimes many."""
    count = rng.choice((1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 8))
    return lines(rng, count)


def plain(rng: Random) -> str:
    """A short text as a user would dictate it: one to eight words."""
    draw = rng.random()
    if draw < 0.45:
        return sentence(rng)
    if draw < 0.75:
        return phrase(rng)
    if draw < 0.85:
        return rng.choice(("hello world", "hello", "hi there", "good morning", "it works", "done"))
    return words.token(rng)
