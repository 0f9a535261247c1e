"""A script, read: its lines with their numbers, and what each of them is to do.

A line is what its first word says before anything is put in for `$1`: no argument becomes a verb.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex

from .. import extensions
from ..errors import ShellError, UsageError
from ..interactive import command_line
from ..interactive.command_line import is_pipeline
from ..verb import TABLE, parse, parser_of
from .parameters import DOLLAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..paths import Paths
    from ..verb import Verb
    from .parameters import Parameters

ENDING, SHEBANG = ".llmos", b"#!"
BACKGROUND = "&"
LEAVING = ("exit", "quit")
MOST_BYTES = 1 << 20
MISTYPED = 0.75
"""How like a verb a word is (`difflib`) that is one with a letter wrong."""


class Line:
    """A line of the file, with those that it goes on in."""

    __slots__ = ("number", "text")

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self.text = text


class Statement:
    """What a line does. `kind` is "verb" (`verb`, `args`, `rest`), "say" (`text`), "address"
    (`who`, `text`), "system" (`text`), "wait" (for all in the background),
    "pipeline" (`line`) or "exit" (`status`)."""

    __slots__ = ("args", "in_background", "kind", "line", "rest", "status", "text", "verb", "who")

    def __init__(self, kind: str, text: str = "", who: str = "", status: int = 0) -> None:
        self.kind = kind
        self.text = text
        self.who = who
        self.status = status
        self.in_background = False
        self.line: command_line.Line
        self.verb: Verb
        self.args: argparse.Namespace
        self.rest: list[str]


# ---- a file ------------------------------------------------------------------------------------


def as_script(argv: list[str], paths: Paths) -> list[str]:
    """Of a command line that begins with a file's name: with the verb that runs it. A plugin's verb
    of that name goes first, and a file that does not say that its lines are ours stays unrun: each
    would be said to an agent."""
    path = argv[0]
    if "/" not in path and extensions.find(path, paths) is not None:
        return argv
    if not _says_so(path):
        raise UsageError(
            f"{path} is no script of llmos: its name would end in {ENDING}, or it would begin with "
            "#!/usr/bin/env llmos",
            f"llmos source {path} runs its lines all the same",
        )
    return ["source", "--", *argv]


def _says_so(path: str) -> bool:
    if path.endswith(ENDING):
        return True
    try:
        with open(path, "rb") as file:
            first = file.readline(200)
    except OSError:
        return True  # which is told when it is read
    return first.startswith(SHEBANG) and b"llmos" in first


def read(path: str) -> list[Line]:
    """The lines that do something, each with its number from 1. Raises UsageError."""
    try:
        with open(os.path.expanduser(path), "rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if path.endswith(".py"):
        raise UsageError(f"{path} is a script of Python", f"llmos run {path}")
    if len(raw) > MOST_BYTES:
        raise UsageError(f"{path} is longer than a script may be ({MOST_BYTES:,} bytes)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {path}: it is not UTF-8 text") from None
    return _joined(text.splitlines())


def _joined(lines: list[str]) -> list[Line]:
    found: list[Line] = []
    goes_on = False
    for number, text in enumerate(lines, start=1):
        if goes_on:
            found[-1].text += f"\n{text}"
        elif text.strip() and not text.lstrip().startswith("#"):
            found.append(Line(number, text))
        else:
            continue
        goes_on = text.endswith("\\") and not text.endswith("\\\\")
    for line in found:
        line.text = line.text.strip()
    return found


# ---- a line ------------------------------------------------------------------------------------


def faults(lines: list[Line], given: Parameters, paths: Paths) -> list[tuple[Line, ShellError]]:
    """Of each line that could not be run: what is wrong with it."""
    wrong = []
    for line in lines:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # `-h` shows its help when it is run
                statement(line, given, paths)
        except SystemExit:
            pass
        except ShellError as error:
            wrong.append((line, error))
    return wrong


def statement(line: Line, given: Parameters, paths: Paths) -> Statement:
    """What a line does, with the parameters put in. Raises UsageError."""
    text = line.text
    if is_pipeline(text):
        return _piped(text.replace("\\\n", " "), given)
    if text[0] == "!":
        return Statement("system", text[1:].strip())
    if text[0] == "?":
        return _said(text[1:], given)
    if text[0] == "@":
        who, _, said = text[1:].partition(" ")
        addressed = _said(said, given)
        addressed.kind, addressed.who = "address", given.plain(who)
        return addressed
    first = text.split(None, 1)[0]
    found = TABLE.get(first) or extensions.find(first, paths)
    if text == BACKGROUND or text.endswith((f" {BACKGROUND}", f"\n{BACKGROUND}")):
        return _background(found, text.removesuffix(BACKGROUND).strip(), given)
    if found is None:
        _check_no_verb(text, paths)
        return _said(text, given)
    if first in LEAVING:
        return _leaving(text, given)
    if found.kind != "both":
        where = f"! llmos {first} runs it" if found.kind == "outside" else "it has no jobs"
        raise UsageError(f"{first} is no verb of a script", f"{where}; ? {first} … is for an agent")
    if text == "wait":
        return Statement("wait")
    return _verb(found, _words(found, text, given)[1:])


def _piped(text: str, given: Parameters) -> Statement:
    """The words are read before the arguments are put into them."""
    made = Statement("pipeline")
    made.line = command_line.parse(given.shielded(text))
    if made.line.in_background:
        raise UsageError("a pipeline of a script runs in the foreground", "take the & away")
    for stage in made.line.stages:
        stage.text = stage.text.replace(DOLLAR, "$")
        if stage.command:
            stage.command = f"exec {shlex.join(given.system_argv(stage.command))}"
            continue
        stage.words = [word for one in stage.words for word in given.in_word(one)]
        stage.files = {sign: given.in_word(path)[0] for sign, path in stage.files.items()}
        parse(TABLE[stage.verb], stage.words[1:], in_session=True)
    return made


def _said(text: str, given: Parameters) -> Statement:
    """A backslash at the end of a line only means that the text goes on in the next."""
    said = given.plain(text.replace("\\\n", "\n")).strip()
    if not said:
        raise UsageError("there is no text")
    return Statement("say", said)


def _verb(found: Verb, words: list[str]) -> Statement:
    made = Statement("verb")
    made.verb = found
    made.args, made.rest = parse(found, words, in_session=True)
    return made


def _background(found: Verb | None, text: str, given: Parameters) -> Statement:
    """A task for a process of its own."""
    if found is None or found.kind == "outside":
        if not text:
            raise UsageError("there is no task before the &", "read notes.txt &")
        made = _verb(TABLE["spawn"], ["--", _said(text, given).text])
    elif found.name in ("run", "spawn"):
        made = _verb(found, _words(found, text, given)[1:])
    else:
        raise UsageError(f"{found.name} does not go into the background", "a task does: run … &")
    made.in_background = True
    return made


def _leaving(text: str, given: Parameters) -> Statement:
    status = given.plain(text).split()[1:]
    if len(status) > 1 or not all(word.isdecimal() and int(word) < 256 for word in status):
        raise UsageError("exit takes a status from 0 to 255")
    return Statement("exit", status=int(status[0]) if status else 0)


def _words(found: Verb, text: str, given: Parameters) -> list[str]:
    """As the system's shell would split it; free text may hold a lone apostrophe."""
    text = text.replace("\\\n", " ")
    try:
        return shlex.split(given.quoted(text))
    except ValueError as error:
        if found.takes_words:
            return given.plain(text).split()
        usage = parser_of(found, True).format_usage()
        raise UsageError(f"{error.args[0].lower()}: quotes come in pairs", usage=usage) from None


def _check_no_verb(text: str, paths: Paths) -> None:
    """A single word that is a mistyped verb was meant as one; `hello` was not meant as `help`."""
    if text.isalpha() and len(text) > 1:
        from difflib import get_close_matches

        verbs = [verb.name for verb in TABLE.values() if verb.kind == "both"]
        near = get_close_matches(text, [*verbs, *extensions.summaries(paths)], 1, MISTYPED)
        if near:
            raise UsageError(
                f"there is no verb {text!r}; did you mean {near[0]}?",
                f"? {text} says it to the agent",
            )
