"""Scenes with tools that are not syscalls of ours, so that the tool list is read, not remembered.

Half of them are tools that a plugin author might well write, half are invented: a verb and a noun
that may exist in no dictionary, tied to the request by nothing but the words of the tool's line.
"""

# ruff: noqa: E501  (a template, like a table row, reads best on one line)

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from . import text_pool, words
from .file_scenes import failure
from .grammar import expand
from .scene import Scene, Step
from .tools import SYSCALLS, Parameter, Tool

_PATH = Parameter("path")
_TEXT = Parameter("text")
_HERE = Parameter("path", default=".")

# name, description, parameters, requests, how each argument is filled from the request's slots
Known: TypeAlias = tuple[str, str, tuple[Parameter, ...], tuple[str, ...]]

_KNOWN: tuple[Known, ...] = (
    ("grep", "Search files for a regular expression.", (Parameter("pattern"), _HERE),
     ("grep [for|] {pattern}", "grep [for|] {pattern} in {path}", "search for the expression {pattern} in {path}")),
    ("word_count", "Count the words in a file.", (_PATH,),
     ("count the words [in|of] {path}", "how many words are in {path}", "word count of {path}")),
    ("count_lines", "Count the lines of a file.", (_PATH,),
     ("count the lines [in|of] {path}", "how many lines [are in|has] {path}")),
    ("shout", "Say a text in capital letters.", (_TEXT,), ("shout {text}", "say {text} in capital letters")),
    ("upper", "Turn a text into upper case.", (_TEXT,), ("turn {text} into upper case", "upper case {text}")),
    ("reverse", "Reverse a text.", (_TEXT,), ("reverse {text}", "[turn around|write backwards] {text}", "what is {text} reversed")),
    ("weather", "Tell the weather in a city.", (Parameter("city"),),
     ("[what is|what's|how is|tell me] the weather in {city}", "weather in {city}", "will it rain in {city}")),
    ("translate", "Translate a text into another language.", (_TEXT, Parameter("language")),
     ("translate {text} [to|into] {language}", "say {text} in {language}")),
    ("send_mail", "Send an email to someone.", (Parameter("to"), _TEXT),
     ("send [an email|a mail] to {to} saying {text}", "[mail|email] {to} that {text}", "send {to} an email: {text}")),
    ("delete_file", "Delete a file.", (_PATH,), ("[delete|remove|erase] {path}", "[delete|remove] the file {path}")),
    ("rename_file", "Rename a file.", (Parameter("old"), Parameter("new")), ("rename {old} [to|into] {new}",)),
    ("copy_file", "Copy a file to another place.", (Parameter("source"), Parameter("target")),
     ("copy {source} to {target}", "make a copy of {source} [called|at] {target}")),
    ("move_file", "Move a file to another place.", (Parameter("source"), Parameter("target")), ("move {source} to {target}",)),
    ("make_folder", "Make a new folder.", (_PATH,), ("[make|create] [a|the] [new|] folder [called|named|] {path}", "mkdir {path}")),
    ("append_file", "Add text to the end of a file.", (_PATH, _TEXT),
     ("[append|add] {text} to {path}", "add {text} to the end of {path}")),
    ("fetch", "Fetch a web page.", (Parameter("url"),), ("[fetch|get|download] {url}", "[open|get] the web page {url}")),
    ("roll_dice", "Roll a dice.", (Parameter("sides", "integer", 6),), ("roll a dice", "roll a dice with {sides} sides", "roll dice")),
    ("flip_coin", "Flip a coin.", (), ("[flip|toss] a coin", "heads or tails")),
    ("random_number", "Draw a random number.", (Parameter("low", "integer"), Parameter("high", "integer")),
     ("[draw|give me|pick] a random number [between|from] {low} [and|to] {high}",)),
    ("tell_joke", "Tell a joke.", (), ("tell [me|] a joke", "I want to hear a joke", "joke please")),
    ("define", "Give the definition of a word.", (Parameter("word"),), ("define {word}", "what does {word} mean", "definition of {word}")),
    ("ping", "Check whether a host answers.", (Parameter("host"),), ("ping {host}", "check whether {host} answers")),
    ("head", "Show the first lines of a file.", (_PATH, Parameter("lines", "integer", 10)),
     ("[show|give] me the first lines of {path}", "show the first {lines} lines of {path}", "head {path}")),
    ("run_python", "Run Python code.", (Parameter("code"),), ("run the [python|] code {code}", "[execute|run] this python code: {code}")),
    ("file_size", "Tell the size of a file.", (_PATH,), ("[what is the size of|how big is|tell me the size of] {path}",)),
    ("play_music", "Play a song.", (Parameter("song"),), ("play {song}", "play the song {song}")),
    ("convert", "Convert an amount from one unit to another.", (Parameter("amount", "number"), Parameter("unit"), Parameter("target")),
     ("convert {amount} {unit} [to|into] {target}", "how [much|many] {target} [is|are] {amount} {unit}")),
    ("set_timer", "Set a timer.", (Parameter("minutes", "integer"),), ("set a timer [for|to] {minutes} minutes", "timer {minutes} minutes")),
    ("repeat", "Say a text several times.", (_TEXT, Parameter("times", "integer")), ("repeat {text} {times} times", "say {text} {times} times")),
    ("sort_lines", "Sort the lines of a file.", (_PATH, Parameter("reverse", "boolean", False)), ("sort [the lines of|] {path}",)),
)  # fmt: skip

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

_RESERVED = {tool.name for tool in SYSCALLS}


def _fill(rng: Random, name: str) -> str:
    """A value for an argument of this name, as it stands in a request."""
    match name:
        case "path" | "source" | "target" | "old" | "new":
            return words.file_path(rng)
        case "text":
            return text_pool.plain(rng)
        case "pattern" | "word":
            return words.token(rng)
        case "city":
            return words.place(rng)
        case "name" | "person" | "to":
            return words.name(rng)
        case "language":
            return rng.choice(
                ("French", "German", "Spanish", "Italian", "Russian", "Dutch", "Polish")
            )
        case "url" | "host":
            host = f"{words.noun(rng)}.{rng.choice(('com', 'org', 'net', 'de', 'io'))}"
            return host if name == "host" else f"https://{host}/{words.noun(rng)}"
        case "code":
            return f"print({words.digits(rng)} {rng.choice('+-*')} {words.digits(rng)})"
        case "unit":
            return rng.choice(
                ("metres", "miles", "euros", "kilos", "litres", "hours", words.noun(rng))
            )
        case (
            "sides" | "count" | "number" | "minutes" | "times" | "lines" | "low" | "high" | "amount"
        ):
            return words.digits(rng, 3)
        case _:
            return words.noun(rng)


def _typed(parameter: Parameter, text: str) -> Any:
    if parameter.type == "integer":
        return int(text)
    if parameter.type == "number":
        return int(text)
    return text


def _result(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.35:
        return words.digits(rng)
    if draw < 0.75:
        return text_pool.sentence(rng)
    if draw < 0.85:
        return "\n".join(text_pool.lines(rng, rng.randint(2, 3)))
    if draw < 0.92:
        return rng.choice(("done", "ok", "true", "false", f"sent to {words.name(rng)}"))
    code = rng.choice(("EIO", "EAGAIN", "ENOSYS", "EINTR", "EPERM", "ETIME", "EINVAL"))
    return f"{code}: {text_pool.phrase(rng)}"


def said(result: str) -> str:
    """The answer after a tool that nothing more is known about: its own words."""
    code = result.partition(": ")[0]
    return failure(result) if code.isupper() and code.startswith("E") else result


def _scene(rng: Random, tool: Tool, request: str, slots: dict[str, str]) -> Scene:
    named = {one.name for one in tool.parameters if "{" + one.name + "}" in request}
    arguments = {
        one.name: _typed(one, slots[one.name]) for one in tool.parameters if one.name in named
    }
    result = _result(rng)
    step = Step(tool.name, arguments, result)
    return Scene(expand(rng, request, slots), (step,), said(result), tools=(tool,))


def _known(rng: Random, known: Known) -> tuple[Tool, tuple[str, ...]]:
    name, description, parameters, requests = known
    return Tool(name, description, parameters), requests


def _named(rng: Random, verb: str, noun: str) -> str:
    return rng.choice((f"{verb}_{noun}", f"{verb}_{noun}", verb, f"{noun}_{verb}", f"{verb}{noun}"))


def _invent(rng: Random) -> tuple[Tool, tuple[str, ...], dict[str, str]]:
    verb = words.invented(rng) if rng.random() < 0.4 else rng.choice(words.VERBS)
    slots = {"verb": verb, "Verb": verb.capitalize(), "noun": words.noun(rng), "other": words.noun(rng),
             "adjective": rng.choice(words.ADJECTIVES)}  # fmt: skip
    description, parameters, requests = rng.choice(_INVENTED)
    if "{Verb}" not in description:
        verb = rng.choice(("tell", "get", "show"))
    name = _named(rng, verb, slots["noun"])
    if name in _RESERVED:
        name = f"my_{name}"
    return Tool(name, expand(rng, description, slots), parameters), requests, slots


def known_scene(rng: Random) -> Scene:
    tool, requests = _known(rng, rng.choice(_KNOWN))
    request = rng.choice(requests)
    slots = {one.name: _fill(rng, one.name) for one in tool.parameters}
    return _scene(rng, tool, request, slots)


def invented_scene(rng: Random) -> Scene:
    tool, requests, slots = _invent(rng)
    request = rng.choice(requests)
    slots |= {one.name: _fill(rng, one.name) for one in tool.parameters}
    return _scene(rng, tool, request, slots)


def bystander(rng: Random) -> Tool:
    """A tool that stands on the list and is not needed."""
    if rng.random() < 0.4:
        return _known(rng, rng.choice(_KNOWN))[0]
    return _invent(rng)[0]


SCENES: tuple[tuple[float, Callable[[Random], Scene]], ...] = (
    (0.6, known_scene),
    (0.6, invented_scene),
)
