"""Scenes about sums and about the time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import words
from .asking import say, say_any
from .file_scenes import failure
from .grammar import blocks
from .scene import Scene, Step

_SIGNS = {
    "+": ("+", "+", "plus", "and"),
    "-": ("-", "-", "minus"),
    "*": ("*", "*", "*", "times", "x", "multiplied by"),
    "/": ("/", "/", "/", "divided by", "over"),
}

# A whole request, and the expression that it means.


def value(expression: str) -> str:
    """What ``calculate`` returns for ``expression``: digits or an errno line."""
    try:
        result = eval(expression, {"__builtins__": {}})  # our own generated digits and signs
    except ZeroDivisionError:
        return "EINVAL: division by zero"
    except (SyntaxError, OverflowError):
        return "EINVAL: not an arithmetic expression: " + expression
    if isinstance(result, float) and result == int(result) and abs(result) < 1e15:
        return str(result)
    return str(result)


def expression(rng: Random, num_signs: int = 0) -> tuple[str, str]:
    """A sum as it is said and as it is worked out, with one to three signs if 0 are asked for."""
    num_signs = num_signs or rng.choice((1, 1, 1, 1, 2, 2, 3))
    signs = [rng.choice("+-*/") for _ in range(num_signs)]
    numbers = [words.number(rng) for _ in range(len(signs) + 1)]
    if rng.random() < 0.02:
        signs[-1], numbers[-1] = "/", "0"
    said, meant = numbers[0], numbers[0]
    tight = rng.random() < 0.25
    wordy = rng.random() < 0.35
    for sign, number in zip(signs, numbers[1:], strict=True):
        spoken = rng.choice(_SIGNS[sign]) if wordy else sign
        gap = "" if tight and spoken == sign else " "
        said += f"{gap}{spoken}{gap}{number}"
        meant += f" {sign} {number}"
    if len(signs) > 1 and not wordy and rng.random() < 0.4:
        # Brackets around the first two terms, copied as they stand.
        tail = len(f" {signs[-1]} {numbers[-1]}") if not tight else len(signs[-1] + numbers[-1])
        said = f"({said[:-tail]}){said[-tail:]}"
        meant_tail = len(f" {signs[-1]} {numbers[-1]}")
        meant = f"({meant[:-meant_tail]}){meant[-meant_tail:]}"
    return said, meant


def calculate_scene(rng: Random) -> Scene:
    if rng.random() < 0.45:
        said, meant = expression(rng)
        request = say(rng, "sum", sum=said)
    else:
        meaning, requests = rng.choice(tuple(blocks("sum_worded").items()))
        slots = {
            "a": words.number(rng), "b": words.number(rng), "c": words.number(rng),
            "small": str(rng.randint(2, 5)), "noun": words.noun(rng),
        }  # fmt: skip
        request = say_any(rng, rng.choice(requests), **slots)
        meant = meaning.format(**slots)
    result = value(meant)
    if len(result) > 40:
        return calculate_scene(rng)
    answer = failure(result) if result.startswith("E") else f"{meant} = {result}"
    return Scene(request, (Step("calculate", {"expression": meant}, result),), answer)


def mended_scene(rng: Random) -> Scene:
    """A sum that was passed on in words: the error says so, and the second call is right."""
    said, meant = expression(rng)
    while said == meant or not any(sign.isalpha() for sign in said):
        said, meant = expression(rng)
    result = value(meant)
    wrong = Step(
        "calculate",
        {"expression": said},
        f"EINVAL: not an arithmetic expression: {said}",
        mistaken=True,
    )
    answer = failure(result) if result.startswith("E") else f"{meant} = {result}"
    right = Step("calculate", {"expression": meant}, result)
    return Scene(say(rng, "sum", sum=said), (wrong, right), answer)


def moment(rng: Random) -> str:
    """What ``now`` returns."""
    time = f"{words.clock(rng)}:{rng.randint(0, 59):02d}"
    return f"{rng.choice(words.WEEKDAYS)} {words.date(rng)} {time}"


def now_scene(rng: Random) -> Scene:
    draw = rng.random()
    if draw < 0.5:
        request = say(rng, "time")
    elif draw < 0.85:
        request = say(rng, "date")
    else:
        request = say(rng, "date_and_time")
    result = moment(rng)
    return Scene(request, (Step("now", {}, result),), f"It is {result}.")


SCENES: tuple[tuple[float, Callable[[Random], Scene]], ...] = (
    (2.0, calculate_scene),
    (0.06, mended_scene),
    (0.6, now_scene),
)
