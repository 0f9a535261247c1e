"""How people wrap a request: politeness, capitals, punctuation, a slip of the finger."""

from __future__ import annotations

from random import Random

from .scene import Scene

_BEFORE_ALL = (
    "hey,", "hi,", "hello,", "hello!", "ok,", "so,", "and", "agent,", "well,", "one more thing:",
    "also,", "hmm,", "quick question:", "right,", "good,", "thanks,", "great,",
)  # fmt: skip
_AFTER = ("please", ", please", ", please", ", thanks", "for me please", "pls")
_QUESTION_WORDS = frozenset(
    "what which where who when why how is are does do did has have will can could would may might "
    "at was any what's where's when's who's how's".split()
)


def is_question(request: str) -> bool:
    return request.split(" ", 1)[0].lower() in _QUESTION_WORDS


def _copied(scene: Scene) -> str:
    """Everything of the request that stands again in a call or in the answer."""
    arguments = (str(value) for step in scene.steps for value in step.arguments.values())
    return " ".join((*arguments, scene.answer)).lower()


def _slip(rng: Random, request: str, copied: str) -> str:
    """The request with two letters swapped, or one lost, in a word that nothing copies."""
    tokens = request.split(" ")
    usual = [i for i, word in enumerate(tokens[:5]) if len(word) > 3 and word.isalpha()]
    places = [i for i in usual if tokens[i].lower() not in copied]
    if not places:
        return request
    place = rng.choice(places)
    word, at = tokens[place], rng.randint(1, len(tokens[place]) - 2)
    if rng.random() < 0.5:
        tokens[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    else:
        tokens[place] = word[:at] + word[at + 1 :]
    return " ".join(tokens)


def _wrapped(rng: Random, request: str) -> str:
    draw = rng.random()
    if draw < 0.1:
        return f"{rng.choice(_BEFORE_ALL)} {request}"
    if draw < 0.2 and request[-1].isalnum():
        after = rng.choice(_AFTER)
        return request + after if after[0] == "," else f"{request} {after}"
    return request


def spoken(rng: Random, scene: Scene) -> str:
    """The scene's request as somebody might type it."""
    request, copied = scene.request, _copied(scene)
    first = request.split(" ", 1)[0].lower().strip("\"'")
    first_is_copied = first in copied.split() or not first[:1].isalpha()
    if rng.random() < 0.04 and scene.manners:
        request = _slip(rng, request, copied)
    if scene.manners:
        request = _wrapped(rng, request)
    if (request != scene.request or not first_is_copied) and rng.random() < 0.4:
        request = request[0].upper() + request[1:]
    shouted = rng.random() < 0.025 and not any(step.arguments for step in scene.steps)
    if shouted and "{" not in request:
        request = request.upper()
    if request[-1].isalnum() or request[-1] in "\"')/":
        request += rng.choice(
            ("?", "?", "?", "", "", ".")
            if is_question(scene.request)
            else ("", "", "", ".", ".", "!")
        )
    return request
