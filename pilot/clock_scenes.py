"""Scenes about sums and about the time."""

# ruff: noqa: E501  (a template, like a table row, reads best on one line)

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import words
from .file_scenes import failure
from .grammar import one_of
from .scene import Scene, Step

_ASK = (
    "what is {sum}",
    "what's {sum}",
    "how much is {sum}",
    "[calculate|compute|work out|evaluate|solve] {sum}",
    "{sum}",
    "{sum} = ?",
    "{sum} =",
    "what does {sum} [make|give|equal|come to]",
    "[tell me|give me|I need] [the result of|] {sum}",
    "[the result of|result of] {sum}",
    "what [do you get for|is the result of|is the value of|comes out of] {sum}",
    "[can you|] do the sum: {sum}",
    "do you know what {sum} is",
)

_SIGNS = {
    "+": ("+", "+", "plus", "and"),
    "-": ("-", "-", "minus"),
    "*": ("*", "*", "*", "times", "x", "multiplied by"),
    "/": ("/", "/", "/", "divided by", "over"),
}

# A whole request, and the expression that it means.
_WORDED = (
    ("[what is|tell me|calculate|] the sum of {a} and {b}", "{a} + {b}"),
    ("add {a} and {b}", "{a} + {b}"),
    ("add {a} to {b}", "{b} + {a}"),
    ("add up {a}, {b} and {c}", "{a} + {b} + {c}"),
    ("[what is|tell me|] the product of {a} and {b}", "{a} * {b}"),
    ("multiply {a} [by|with|and] {b}", "{a} * {b}"),
    ("subtract {a} from {b}", "{b} - {a}"),
    ("take {a} away from {b}", "{b} - {a}"),
    ("[what is|tell me|] the difference [between|of] {a} and {b}", "{a} - {b}"),
    ("divide {a} by {b}", "{a} / {b}"),
    ("[what is|how much is|] {a} percent of {b}", "{b} * {a} / 100"),
    ("[what is|how much is|] {a}% of {b}", "{b} * {a} / 100"),
    ("[what is|how much is|] half of {a}", "{a} / 2"),
    ("[what is|how much is|] [twice|double] {a}", "{a} * 2"),
    ("double {a}", "{a} * 2"),
    ("[what is|how much is|] a [third of|quarter of] {a}", "{a} / ?"),
    ("[what is|how much is|] the square of {a}", "{a} ** 2"),
    ("[what is|how much is|] {a} squared", "{a} ** 2"),
    ("[what is|how much is|] {a} to the power of {small}", "{a} ** {small}"),
    ("how many [hours|minutes] are [in|] {a} times {b}", "{a} * {b}"),
    (
        "[what do|how much do|how much are] {a} {noun}s at {b} [euros|dollars] [each|a piece] [cost|]",
        "{a} * {b}",
    ),
    ("I have {a} {noun}s and [buy|get|find] {b} more, how many [are that|do I have]", "{a} + {b}"),
    ("I have {a} {noun}s and [sell|lose|eat|give away] {b}, how many are left", "{a} - {b}"),
    ("how much is {a} {noun}s plus {b} {noun}s", "{a} + {b}"),
)

_TIME = (
    "what time is it [now|]",
    "[what's|what is] the time [now|]",
    "[tell|give] me the [time|current time]",
    "how late is it",
    "[the time|time|what time]",
    "what does the clock say",
    "[do you have|have you got] the time",
    "do you know [what time it is|how late it is|the time]",
    "is it [late|early|noon|midnight] [yet|already|]",
    "current time",
)
_DATE = (
    "what [day|date] is [it|today|it today]",
    "[what's|what is] [the date|today's date|the day today|today]",
    "[tell|give] me [the date|today's date|the current date]",
    "which [day|date|weekday|day of the week] is [it|today|it today]",
    "what is the date of today",
    "[the date|date|today's date]",
    "what [month|year] is it",
    "is it [Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday] [today|]",
)
_BOTH = (
    "[what are|tell me] the date and [the|] time",
    "[tell me|what is] the [time and date|date and time]",
    "[now|date and time|time and date]",
    "what day and time is it",
)


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


def _expression(rng: Random) -> tuple[str, str]:
    """A sum as it is said and as it is worked out."""
    signs = [rng.choice("+-*/") for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3)))]
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
    if rng.random() < 0.7:
        said, meant = _expression(rng)
        request = one_of(rng, _ASK, sum=said)
    else:
        template, meaning = rng.choice(_WORDED)
        slots = {
            "a": words.number(rng), "b": words.number(rng), "c": words.number(rng),
            "small": str(rng.randint(2, 5)), "noun": words.noun(rng),
        }  # fmt: skip
        request = one_of(rng, (template,), **slots)
        divisor = "3" if "third" in request else "4"
        meant = meaning.replace("?", divisor).format(**slots)
    result = value(meant)
    if len(result) > 40:
        return calculate_scene(rng)
    answer = failure(result) if result.startswith("E") else f"{meant} = {result}"
    return Scene(request, (Step("calculate", {"expression": meant}, result),), answer)


def now_scene(rng: Random) -> Scene:
    weekday, day = rng.choice(words.WEEKDAYS), words.date(rng)
    time = f"{words.clock(rng)}:{rng.randint(0, 59):02d}"
    draw = rng.random()
    if draw < 0.5:
        request = one_of(rng, _TIME)
    elif draw < 0.85:
        request = one_of(rng, _DATE)
    else:
        request = one_of(rng, _BOTH)
    result = f"{weekday} {day} {time}"
    return Scene(request, (Step("now", {}, result),), f"It is {result}.")


SCENES: tuple[tuple[float, Callable[[Random], Scene]], ...] = (
    (1.4, calculate_scene),
    (0.6, now_scene),
)
