"""Scenes with tools that are not syscalls of ours, so that the tool list is read, not remembered.

Most are tools that a plugin's author might well write (``requests/tools_*.txt``), some are invented:
a verb and a noun that may exist in no dictionary, tied to the request by nothing but the words of
the tool's line. One in six of the former gets a name that says nothing.
"""

# ruff: noqa: E501  (a template, like a table row, reads best on one line)

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

from . import text_pool, words
from .asking import say_any
from .file_scenes import failure
from .grammar import GRAMMARS, blocks, expand
from .held_out.fence import is_held_out
from .scene import Scene, Step
from .tools import SYSCALLS, Parameter, Tool

FILES = tuple(sorted(path.stem for path in GRAMMARS.glob("tools_*.txt")))
_HEAD = re.compile(r"(?P<name>\w+)\((?P<parameters>.*)\): (?P<description>.+)")
_PARAMETER = re.compile(r"(?P<name>\w+): (?P<type>\w+)(?: ~(?P<kind>\w+))?(?: = (?P<default>.+))?")
_NAMELESS = 0.16
_RESERVED = frozenset(tool.name for tool in SYSCALLS)

_PATH = Parameter("path")
_TEXT = Parameter("text")
_HERE = Parameter("path", default=".")

_INVENTED: tuple[tuple[str, tuple[Parameter, ...], tuple[str, ...]], ...] = (
    ("{Verb} [the|a] {noun}.", (), ("{verb} the {noun}", "I want to {verb} the {noun}", "{verb} [a|my] {noun}")),
    ("{Verb} [the|a] {noun} of a file.", (_PATH,), ("{verb} the {noun} [of|in] {path}", "{verb} {path}", "[the|] {noun} of {path}")),
    ("{Verb} [a|the] {noun} in a text.", (_TEXT,), ("{verb} the {noun} [in|of] {text}", "{verb} {text}", "{verb}: {text}")),
    ("{Verb} [a|the] {noun} by its name.", (Parameter("name"),), ("{verb} the {noun} [called|named|] {name}", "{verb} {name}")),
    ("{Verb} [a|the] {noun} for a person.", (Parameter("person"),), ("{verb} [a|the] {noun} for {person}",)),
    ("Tell the {noun} of a city.", (Parameter("city"),), ("[what is|tell me|show me] the {noun} of {city}", "{noun} of {city}")),
    ("Get the {noun} [of|from] the {adjective} {other}.", (), ("[get|tell me|show me|what is] the {noun} [of|from] the {other}", "get the {noun}")),
    ("{Verb} a number of {noun}s.", (Parameter("count", "integer"),), ("{verb} {count} {noun}s",)),
    ("{Verb} the {noun} with a number.", (Parameter("number", "integer"),), ("{verb} [the|] {noun} [number|] {number}",)),
    ("{Verb} text as a {noun}.", (_TEXT, Parameter("colour", default="black")), ("{verb} {text} as a {noun}", "{verb} {text}")),
    ("{Verb} [the|a] {noun} in a folder.", (_HERE,), ("{verb} the {noun} in {path}", "{verb} the {noun} here", "{verb} the {noun}")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """A tool, what kind of value each parameter takes, and how it is asked for."""

    tool: Tool
    kinds: dict[str, str]
    requests: tuple[str, ...]


def parse(head: str, requests: tuple[str, ...]) -> Sample:
    """``tide(harbour: string ~city): Tell when the tide is high.`` and the requests for it.

    Raises ValueError for what is not a tool.
    """
    match = _HEAD.fullmatch(head)
    if match is None:
        raise ValueError(f"not a tool: {head}")
    parameters, kinds = [], {}
    for part in filter(None, match["parameters"].split(", ")):
        one = _PARAMETER.fullmatch(part)
        if one is None:
            raise ValueError(f"not a parameter: {part} (of {head})")
        name, default = one["name"], one["default"]
        kinds[name] = one["kind"] or name
        given = {} if default is None else {"default": _literal(default)}
        parameters.append(Parameter(name, one["type"], **given))
    tool = Tool(match["name"], match["description"], tuple(parameters))
    return Sample(tool, kinds, requests)


def _literal(text: str) -> Any:
    """The JSON value that ``text`` is, or the text itself."""
    try:
        return json.loads(text.lower() if text in {"True", "False"} else text)
    except ValueError:
        return text.strip("'")


@cache
def samples() -> tuple[Sample, ...]:
    """All tools of the grammar files, in their order: what is easily confused stands together."""
    return tuple(parse(head, lines) for name in FILES for head, lines in blocks(name).items())


def _value(rng: Random, parameter: Parameter, kind: str) -> str:
    """A value for a parameter, as it stands in a request."""
    if parameter.type in {"integer", "number"}:
        kind = kind if kind in {"number", "count", "amount"} else "number"
    match kind:
        case "path" | "source" | "target" | "old" | "new":
            return words.file_path(rng)
        case "folder":
            return words.folder(rng)
        case "text":
            return text_pool.plain(rng)
        case "words":
            return " ".join(words.noun(rng) for _ in range(rng.choice((2, 2, 3))))
        case "pattern" | "word":
            return words.token(rng) if rng.random() < 0.3 else words.noun(rng)
        case "city":
            return words.place(rng)
        case "person":
            return words.name(rng) if rng.random() < 0.7 else words.full_name(rng)
        case "country" | "language" | "colour":
            return words.one(
                rng, {"country": "countries", "language": "languages"}.get(kind, "colours")
            )
        case "currency" | "unit":
            return words.one(rng, {"currency": "currencies", "unit": "units"}[kind])
        case "url":
            return f"https://{_host(rng)}/{words.noun(rng)}"
        case "host":
            return _host(rng)
        case "email":
            return f"{words.name(rng).lower()}@{_host(rng)}"
        case "code":
            return f"print({words.digits(rng)} {rng.choice('+-*')} {words.digits(rng)})"
        case "date":
            return words.date(rng)
        case "time":
            return words.clock(rng)
        case "weekday":
            return rng.choice(words.WEEKDAYS)
        case "number" | "amount" | "count":
            return words.digits(rng, 2 if kind == "count" else 4)
        case "id":
            return words.identifier(rng)
        case "title":
            return f"{words.noun(rng)} {words.noun(rng)}" if rng.random() < 0.6 else words.noun(rng)
        case "name":
            return words.name(rng) if rng.random() < 0.3 else words.noun(rng)
        case _:
            return words.noun(rng)


def _host(rng: Random) -> str:
    return f"{words.noun(rng)}.{rng.choice(('com', 'org', 'net', 'de', 'io', 'eu', 'local'))}"


def _typed(parameter: Parameter, text: str) -> Any:
    return int(text) if parameter.type in {"integer", "number"} else text


def _result(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.2:
        return words.digits(rng)
    if draw < 0.65:
        return text_pool.tool_result(rng)
    if draw < 0.85:
        return text_pool.sentence(rng)
    if draw < 0.93:
        return "\n".join(text_pool.lines(rng, rng.randint(2, 3)))
    code = rng.choice(("EIO", "EAGAIN", "ENOSYS", "EINTR", "EPERM", "ETIME", "EINVAL"))
    return f"{code}: {text_pool.phrase(rng)}"


def said(result: str) -> str:
    """The answer after a tool that nothing more is known about: its own words."""
    code = result.partition(": ")[0]
    return failure(result) if code.isupper() and code.startswith("E") else result


def _scene(rng: Random, sample: Sample, extra: dict[str, str]) -> Scene:
    """The sample's tool is called as one of its requests asks for."""
    tool, template = sample.tool, rng.choice(sample.requests)
    values = {one.name: _value(rng, one, sample.kinds.get(one.name, one.name)) for one in tool.parameters}  # fmt: skip
    arguments = {
        one.name: _typed(one, values[one.name])
        for one in tool.parameters
        if "{" + one.name + "}" in template
    }
    slots = extra | {name: _quoted(rng, value) for name, value in values.items()}
    result = _result(rng)
    return Scene(
        say_any(rng, template, **slots),
        (Step(tool.name, arguments, result),),
        said(result),
        tools=(tool,),
    )


def _quoted(rng: Random, value: str) -> str:
    """The value as it stands in a request: at times, of several words, in quotes."""
    if " " not in value or '"' in value or rng.random() < 0.75:
        return value
    return rng.choice((f'"{value}"', f'"{value}"', f"'{value}'"))


def _named(rng: Random, verb: str, noun: str) -> str:
    return rng.choice((f"{verb}_{noun}", f"{verb}_{noun}", verb, f"{noun}_{verb}", f"{verb}{noun}"))


def _invented(rng: Random) -> tuple[Sample, dict[str, str]]:
    verb = words.invented(rng) if rng.random() < 0.5 else rng.choice(words.VERBS)
    slots = {"verb": verb, "Verb": verb.capitalize(), "noun": words.noun(rng), "other": words.noun(rng),
             "adjective": rng.choice(words.ADJECTIVES)}  # fmt: skip
    description, parameters, requests = rng.choice(_INVENTED)
    if "{Verb}" not in description:
        verb = rng.choice(("tell", "get", "show"))
    tool = Tool(_named(rng, verb, slots["noun"]), expand(rng, description, slots), parameters)
    return Sample(tool, {}, requests), slots


def _drawn(rng: Random, place: int | None = None) -> tuple[Sample, dict[str, str]]:
    """A sample, and slots beyond its parameters."""
    if place is None and rng.random() < 0.3:
        sample, slots = _invented(rng)
    else:
        some = samples()
        sample, slots = (rng.choice(some) if place is None else some[place % len(some)]), {}
    tool = sample.tool
    if rng.random() < _NAMELESS:
        tool = replace(tool, name=rng.choice((words.invented(rng), words.identifier(rng).lower().replace("-", "_"))))  # fmt: skip
    if tool.name in _RESERVED:
        tool = replace(tool, name=f"my_{tool.name}")
    return replace(sample, tool=tool), slots


def tool_box(rng: Random) -> tuple[list[Tool], list[Scene]]:
    """Many tools that are not ours, and many requests for them: nothing here can be remembered."""
    drawn: dict[str, tuple[Sample, dict[str, str]]] = {}
    start = rng.randrange(len(samples()))
    for offset in range(rng.randint(4, 11)):
        # A part of them are neighbours, which are easily confused.
        one = _drawn(rng, start + offset) if offset < 3 else _drawn(rng)
        drawn.setdefault(one[0].tool.name, one)
    asked = rng.choices(list(drawn.values()), k=24)
    scenes = [_scene(rng, sample, slots) for sample, slots in asked]
    tools = [sample.tool for sample, _ in drawn.values()]
    return tools, [scene for scene in scenes if not is_held_out(scene.request)]


def plugin_scenes(rng: Random) -> tuple[list[Scene], list[Tool]]:
    """One or two requests for one tool, and tools that stand beside it and are not needed."""
    place = rng.randrange(len(samples())) if rng.random() < 0.3 else None
    sample, slots = _drawn(rng, place)
    scenes = [_scene(rng, sample, slots) for _ in range(rng.choice((1, 1, 2)))]
    bystanders = [_drawn(rng)[0].tool for _ in range(rng.choice((0, 0, 1, 1, 2)))]
    if place is not None:
        neighbour, slots = _drawn(rng, place + 1)
        scenes.append(_scene(rng, neighbour, slots))
    return [scene for scene in scenes if not is_held_out(scene.request)], bystanders
