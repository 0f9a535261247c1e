"""Scenes about notes: what the user wants kept, and what was kept."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import words
from .asking import say
from .file_scenes import denial, failure
from .grammar import one_of, templates
from .scene import Scene, Step

# Requests whose answer stands in the notes; the topic is asked for by its bare noun.


def _slots(rng: Random) -> dict[str, str]:
    return {
        "noun": words.noun(rng), "other": words.noun(rng),
        "adjective": rng.choice(words.ADJECTIVES),
        "adjective2": rng.choice(words.ADJECTIVES), "hour": rng.choice(words.NUMBER_WORDS),
        "clock": words.clock(rng), "weekday": rng.choice(words.WEEKDAYS), "place": words.place(rng),
        "date": words.date(rng), "digits": words.digits(rng), "name": words.name(rng),
        "word": words.token(rng), "verb": rng.choice(words.VERBS),
    }  # fmt: skip


def fact(rng: Random, topic: str | None = None) -> str:
    """Something worth a note, about ``topic`` if one is given."""
    slots = _slots(rng)
    if topic is not None:
        slots["noun"] = topic
    return one_of(rng, templates("facts"), **slots)


def remember_scene(rng: Random) -> Scene:
    topic = words.noun(rng)
    note = (
        fact(rng, topic) if rng.random() < 0.9 else one_of(rng, templates("facts"), **_slots(rng))
    )
    request = say(rng, "remember", fact=note)
    result, answer = "noted", f"Noted: {note}."
    if rng.random() < 0.04:
        result = denial(rng, "mem.write", "notes")
        answer = failure(result)
    follow_ups: tuple[Scene, ...] = ()
    if topic in note and result == "noted" and rng.random() < 0.25:
        follow_ups = (_ask(rng, topic, [note]),)
    return Scene(
        request, (Step("remember", {"text": note}, result),), answer, follow_ups=follow_ups
    )


def noted(notes: list[str], query: str) -> str:
    """The answer to ``recall``."""
    if not notes:
        return f"I have no notes about {query}."
    return "You noted:\n" + "\n".join(notes)


def _ask(rng: Random, topic: str, notes: list[str]) -> Scene:
    request = say(rng, "recall" if rng.random() < 0.65 else "recall_mine", topic=topic)
    result = "\n".join(notes) or f"no notes about {topic}"
    return Scene(request, (Step("recall", {"query": topic}, result),), noted(notes, topic))


def recall_scene(rng: Random) -> Scene:
    draw = rng.random()
    topic = words.noun(rng) if draw < 0.8 else words.name(rng) if draw < 0.9 else (
        f"{rng.choice(words.ADJECTIVES)} {words.noun(rng)}"
    )  # fmt: skip
    notes = [fact(rng, topic) for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3)))]
    return _ask(rng, topic, notes)


SCENES: tuple[tuple[float, Callable[[Random], Scene]], ...] = (
    (0.9, remember_scene),
    (1.0, recall_scene),
)
