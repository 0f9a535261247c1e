"""Scenes without a tool: greetings, questions about the agent, what no tool can do."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import words
from .asking import say, say_any
from .grammar import blocks, one_of, templates
from .scene import Scene

NO_TOOL = "I have no tool for that."


def _slots(rng: Random) -> dict[str, str]:
    return {
        "noun": words.noun(rng), "adjective": rng.choice(words.ADJECTIVES), "name": words.name(rng),
        "place": words.place(rng), "digits": words.digits(rng, 3), "digits2": words.digits(rng, 3),
        "file": words.file_path(rng),
    }  # fmt: skip


def talk_scene(rng: Random) -> Scene:
    answers = tuple(blocks("talk").items())
    answer, requests = rng.choices(answers, [len(some) for _, some in answers])[0]
    return Scene(one_of(rng, requests, **_slots(rng)), (), answer, manners=rng.random() < 0.3)


def beyond_scene(rng: Random) -> Scene:
    return Scene(say_any(rng, rng.choice(templates("beyond")), **_slots(rng)), (), NO_TOOL)


def lacking_scene(rng: Random) -> Scene:
    """What one syscall could do, asked where it is not on the list."""
    tool, requests = rng.choice(tuple(blocks("lacking").items()))
    return Scene(say_any(rng, rng.choice(requests), **_slots(rng)), (), NO_TOOL, absent=(tool,))


def abilities_scene(rng: Random) -> Scene:
    """The answer names the tools of the list; the corpus fills them in as ``{tools}``."""
    return Scene(say(rng, "abilities"), (), "I can use these tools: {tools}.")


def usage_scene(rng: Random) -> Scene:
    """A question about one tool of the list, filled in as ``{tool}`` and ``{description}``."""
    return Scene(say(rng, "usage", tool="{tool}"), (), "{tool}: {description}", manners=False)


def about_scene(rng: Random) -> Scene:
    """A question about llmos. Its answer is true of the llmos that ships with these weights."""
    answer, requests = rng.choice(tuple(blocks("about").items()))
    return Scene(say_any(rng, rng.choice(requests)), (), answer)


SCENES: tuple[tuple[float, Callable[[Random], Scene]], ...] = (
    (0.9, talk_scene),
    (0.6, beyond_scene),
    (0.08, lacking_scene),
    (0.15, abilities_scene),
    (0.6, about_scene),
    (0.08, usage_scene),
)
