"""A line with pipes and redirections, read: `run summarise < report.txt | !sort > sorted.txt &`.

Only a line that begins with a verb that takes part in a pipeline is read this way; in any other,
`|` and `<` are talk. What stands after `!` is a command of the system's shell as it is typed, its
quotes and redirections included; a stage without `!` or a verb, behind one with `!`, belongs to it.
"""

from __future__ import annotations

import glob

from ..errors import UsageError

VERBS = ("run", "pipe", "map")
"""Those that take part."""

INPUT, OUTPUT, APPENDED, TOLD = "<", ">", ">>", "2>"
QUOTE_THEM = "in a task, put | < > into quotes"


class Stage:
    """One part between two `|`. `words` are those of a verb, its own name first; a system stage has
    its `command` instead. `files` are the paths by `<`, `>`, `>>`, `2>`."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.command = ""
        self.words: list[str] = []
        self.files: dict[str, str] = {}

    @property
    def verb(self) -> str:
        return self.words[0] if self.words else "!"


class Line:
    """A pipeline, and whether it goes into the background."""

    def __init__(self, text: str, stages: list[Stage], in_background: bool) -> None:
        self.text = text
        self.stages = stages
        self.in_background = in_background


def is_pipeline(line: str) -> bool:
    """Whether the line has to be read here: a verb of ours with `|`, `<`, `>` outside quotes, or a
    system command whose output goes to such a verb. `map` always, for its files may be patterns."""
    first = _first_word(line)
    if line.startswith("!"):
        return any(_first_word(part) in VERBS for part in _split(line)[1:])
    if first not in VERBS:
        return False
    return first == "map" or any(
        token in "|<>" for token, quoted in _characters(line) if not quoted
    )


def parse(line: str) -> Line:
    """Raises UsageError, which names the stage."""
    text = line.strip()
    in_background = text.endswith("&")
    stages: list[Stage] = []
    for part in _split(text.removesuffix("&").rstrip()):
        first = _first_word(part)
        if first.startswith("!"):
            stages.append(Stage(part))
            stages[-1].command = part.strip().removeprefix("!").strip()
        elif first not in VERBS and stages and stages[-1].command:
            stages[-1].command += f" |{part.rstrip()}"
            stages[-1].text += f" |{part.rstrip()}"
        else:
            stages.append(Stage(part))
            _read(stages[-1], part)
    for number, stage in enumerate(stages, 1):
        try:
            _check(stage, number == 1, number == len(stages))
        except UsageError as error:
            raise UsageError(
                f"stage {number}{_called(stage.text)}: {error.message}", error.hint
            ) from None
    return Line(text, stages, in_background)


def _check(stage: Stage, is_first: bool, is_last: bool) -> None:
    if not stage.words and not stage.command:
        raise UsageError("it is empty", QUOTE_THEM)
    if stage.words and stage.verb not in VERBS:
        raise UsageError(
            f"{stage.verb!r} can be no part of a pipeline",
            f"these can: {', '.join(VERBS)}, and !CMD for the system's; {QUOTE_THEM}",
        )
    if INPUT in stage.files and not is_first:
        raise UsageError("it reads what the stage before it says, and no file", QUOTE_THEM)
    if not is_last and (OUTPUT in stage.files or APPENDED in stage.files):
        raise UsageError("what it says goes to the next stage, and to no file", QUOTE_THEM)


def _read(stage: Stage, text: str) -> None:
    """The words of a verb, and its files."""
    expects = ""
    for word, quoted in _words(text):
        if not quoted and word in (INPUT, OUTPUT, APPENDED, TOLD):
            if expects:
                break
            expects = word
        elif expects:
            if expects in stage.files:
                raise UsageError(f"two files for {expects} in {stage.text!r}", QUOTE_THEM)
            stage.files[expects], expects = word, ""
        elif stage.verb == "map" and not quoted and any(sign in word for sign in "*?["):
            stage.words += sorted(glob.glob(word, recursive=True)) or [word]
        else:
            stage.words.append(word)
    if expects:
        raise UsageError(f"there is no file after {expects} in {stage.text!r}", QUOTE_THEM)


# ---- characters and words ----------------------------------------------------------------------


def _characters(line: str) -> list[tuple[str, bool]]:
    """Each character with whether it is quoted; a mark of quotation itself is "" and quoted. In the
    middle of a word an apostrophe is one, and so is a quote that nobody closes."""
    told: list[tuple[str, bool]] = []
    at = 0
    while at < len(line):
        char = line[at]
        before = line[at - 1] if at else " "
        if char == "\\" and at + 1 < len(line):
            told += [("", True), (line[at + 1], True)]
            at += 2
            continue
        end = line.find(char, at + 1) if char in "\"'" and not before.isalnum() else -1
        if end > 0:
            told += [("", True), *((one, True) for one in line[at + 1 : end]), ("", True)]
            at = end + 1
            continue
        told.append((char, False))
        at += 1
    return told


def _split(line: str) -> list[str]:
    """The texts between the `|` that are not quoted, as they were typed."""
    parts, start, at = [], 0, 0
    quote = ""
    while at < len(line):
        char, before = line[at], line[at - 1] if at else " "
        if quote:
            quote = "" if char == quote else quote
        elif char == "\\":
            at += 1
        elif char in "\"'" and not before.isalnum() and char in line[at + 1 :]:
            quote = char
        elif char == "|":
            parts.append(line[start:at])
            start = at + 1
        at += 1
    return [*parts, line[start:]]


def _words(text: str) -> list[tuple[str, bool]]:
    """Each word with whether any of it was quoted; `<`, `>`, `>>`, `2>` are words of their own."""
    words: list[tuple[str, bool]] = []
    word, any_quoted, open_ = "", False, False
    for char, quoted in _characters(text):
        if not quoted and char in "<>":
            if char == ">" and words[-1:] == [(">", False)] and not open_:
                words[-1] = (">>", False)
                continue
            if char == ">" and word == "2" and not any_quoted:
                words.append((TOLD, False))
                word, open_ = "", False
                continue
            if open_:
                words.append((word, any_quoted))
            words.append((char, False))
            word, any_quoted, open_ = "", False, False
        elif not quoted and char.isspace():
            if open_:
                words.append((word, any_quoted))
            word, any_quoted, open_ = "", False, False
        else:
            word, any_quoted, open_ = word + char, any_quoted or quoted, True
    return [*words, (word, any_quoted)] if open_ else words


def _first_word(text: str) -> str:
    return next(iter(text.split(None, 1)), "")


def _called(text: str) -> str:
    return f" ({text})" if text else ""
