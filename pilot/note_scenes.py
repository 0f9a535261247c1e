"""Scenes about notes: what the user wants kept, and what was kept."""

# ruff: noqa: E501  (a template, like a table row, reads best on one line)

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import words
from .file_scenes import denial, failure
from .grammar import one_of
from .scene import Scene, Step

_REMEMBER = (
    "remember that {fact}",
    "remember: {fact}",
    "remember {fact}",
    "[note|keep in mind|bear in mind|know|write down] that {fact}",
    "[don't|do not|never] forget that {fact}",
    "[make|take|keep|save|add] a note[:| that] {fact}",
    "[note|for later|for the record|note to self|a note]: {fact}",
    "[I want you to|you should|you must] remember that {fact}",
    "{fact}, remember that",
    "[keep|store|save] [this|the fact|the note|] [for later:|that] {fact}",
    "remember this: {fact}",
    "remind me that {fact}",
    "note {fact}",
)

_FACTS = (
    "[my|my|my|our|the] {noun} is [at {hour}|at {clock}|on {weekday}|in {place}|on {date}|in the {other}]",
    "[my|my|my|our|the] {noun} is [{adjective}|{digits}|{name}|called {name}|{word}]",
    "[my|our|the] {noun}'s name is {name}",
    "my {noun} [starts|leaves|arrives|ends|opens] [at {hour}|at {clock}|on {weekday}]",
    "[my|our|the] {adjective} {noun} is [{adjective2}|in {place}|at {hour}]",
    "[my|our] {noun} [lives|is|works] in {place}",
    "[my|the] {noun} [costs|cost|weighs|needs] {digits} [euros|dollars|kilos|points]",
    "I [like|love|hate|want|need|prefer|own|have] [{adjective} {noun}s|a {noun}|the {noun}|{noun}]",
    "I [like|prefer|love] {noun}s [more than|better than|over] {other}s",
    "I [parked|put|left|hid] [my|the] {noun} [in|behind|under|near] the {other}",
    "{name} [likes|hates|wants|has|owns] [the|a|my] {noun}",
    "the [code|password|pin|key] [for|of] [the|my] {noun} is {word}",
    "I [must|have to|should|will|want to] {verb} the {noun} [on {weekday}|at {hour}|tomorrow|]",
    "we [meet|eat|leave] [{name}|] [at {hour}|in {place}|on {weekday}]",
    "{name}'s {noun} is [{adjective}|{digits}|{date}|on {weekday}|{word}]",
)

# Requests whose answer stands in the notes; the topic is asked for by its bare noun.
_ASK_MINE = (
    "[when|where|what|who|how] is [my|my|my|our] {topic}",
    "[when|where] [does|did] my {topic} [start|leave|arrive|end|open]",
    "[what's|where's|when's|who's] my {topic}",
    "what is my {topic}'s name",
    "what is the name of my {topic}",
    "[at|] what time is my {topic}",
    "how much [does|did] my {topic} cost",
    "where did I [park|put|leave|hide] [my|the] {topic}",
    "[what|which] {topic} do I [like|have|want|need|own|prefer]",
)
_ASK = (
    "what did I [say|tell you|mention|note|write] about [my|the|our|] {topic}",
    "what did I [say|tell you] [of|on|concerning] [my|the] {topic}",
    "what [do|did] you [know|remember|recall|have|note] about [my|the|our|] {topic}",
    "[do|did|can] you [remember|recall] [my|the|anything about|what I said about] {topic}",
    "recall [my|the|everything about|what I said about|] {topic}",
    "[find|show|give|read] me [the|my] notes [about|on|for] [my|the|] {topic}",
    "[are there|do you have|do we have] [any|] notes [about|on] [my|the|] {topic}",
    "[what|which] notes [are there|do you have|do I have] [about|on] [my|the|] {topic}",
    "what [was|is] it [again|] about [my|the] {topic}",
    "what was that about [my|the] {topic}",
    "[remind me|tell me] [of|about] my {topic}",
    "my notes [about|on] [the|] {topic}",
    "did I [say|mention|tell you] [anything|something] about [my|the|] {topic}",
    "[look up|check] [my|the|] notes [about|on|for] {topic}",
    "tell me what I [said|told you] about [my|the|] {topic}",
)


def _slots(rng: Random) -> dict[str, str]:
    return {
        "noun": words.noun(rng), "other": words.noun(rng), "adjective": rng.choice(words.ADJECTIVES),
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
    return one_of(rng, [one for one in _FACTS if "{noun}" in one], **slots)


def remember_scene(rng: Random) -> Scene:
    topic = words.noun(rng)
    note = fact(rng, topic) if rng.random() < 0.9 else one_of(rng, _FACTS, **_slots(rng))
    request = one_of(rng, _REMEMBER, fact=note)
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
    request = one_of(rng, _ASK if rng.random() < 0.6 else _ASK_MINE, topic=topic)
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
