"""A typed line, as far as it goes: its words with their places, and what Enter makes of it.

The prompt colours and completes a line that is not finished, so nothing here fails: a quote may
still be open, a name half typed. What a finished line's verb makes of its words, argparse says.
"""

from __future__ import annotations

import shlex

from ..errors import UsageError
from ..verb import COMMON, parser_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..verb import Arg, Verb

SYSTEM, SAY, ADDRESS = "!", "?", "@"
"""What a line may begin with: a command of the system, a text to the agent, one to another."""

OPERATORS = ("|", "<", ">", ">>", "&")
FENCES = ("```", "~~~")


class Word:
    """A word of a line: where it stands, what it means without its quotes, and the quote that
    was not closed, or ''."""

    __slots__ = ("end", "quote", "raw", "start", "text")

    def __init__(self, start: int, raw: str, text: str, quote: str) -> None:
        self.start, self.end = start, start + len(raw)
        self.raw, self.text, self.quote = raw, text, quote

    @property
    def is_operator(self) -> bool:
        return self.raw in OPERATORS


def words_of(line: str) -> list[Word]:
    """The words, split as the system's shell does. The last one may be unfinished."""
    words: list[Word] = []
    at = 0
    while True:
        while at < len(line) and line[at].isspace():
            at += 1
        if at == len(line):
            return words
        words.append(_word_at(line, at))
        at = words[-1].end


def _word_at(line: str, start: int) -> Word:
    text, quote, at = [], "", start
    while at < len(line):
        char = line[at]
        if char == quote:
            quote = ""
        elif char == "\\" and quote != "'" and at + 1 < len(line):
            at += 1
            text.append(line[at] if not quote or line[at] in '"\\' else "\\" + line[at])
        elif quote:
            text.append(char)
        elif char == '"' or (char == "'" and _opens(line, start, at)):
            quote = char
        elif char.isspace():
            break
        else:
            text.append(char)
        at += 1
    return Word(start, line[start:at], "".join(text), quote)


def _opens(line: str, start: int, at: int) -> bool:
    """Whether an apostrophe there is a quote: in `what's up` it is none."""
    return at == start or line[at - 1] in "=,:" or line.find("'", at + 1) >= 0


def current_word(line: str) -> Word:
    """The word that the end of the line is in; an empty one after a blank."""
    words = words_of(line)
    if words and words[-1].end == len(line):
        return words[-1]
    return Word(len(line), "", "", "")


def command_of(words: Sequence[Word]) -> list[Word]:
    """The words of the last command in a row of them: those behind the last `|`."""
    last = max((index for index, word in enumerate(words) if word.raw == "|"), default=-1)
    return list(words[last + 1 :])


def addressed(line: str) -> tuple[str, str] | None:
    """`@5 text` and `@ada text`: who, and what. None if the line speaks to nobody else."""
    if not line.startswith(ADDRESS):
        return None
    who, *text = line[1:].split(None, 1) if line[1:2].strip() else ("",)
    return who, text[0] if text else ""


def goes_on(line: str, found: Verb | None) -> bool:
    """Whether Enter begins another line of it, as a person would mean: it ends in a backslash,
    or a code fence or a verb's quote is open."""
    if line.endswith("\\") and not line.endswith("\\\\"):
        return True
    if _fence_is_open(line):
        return True
    if found is None or line.lstrip()[:1] in (SYSTEM, SAY, ADDRESS):
        return False
    last = words_of(line)[-1:]
    return bool(last) and last[0].quote != "" and last[0].raw[0] == last[0].quote


def _fence_is_open(text: str) -> bool:
    fence = ""
    for line in text.split("\n"):
        begin = line.lstrip(" ?")[:3]
        if not fence and begin in FENCES:
            fence = begin
        elif fence and line.strip() == fence:
            fence = ""
    return bool(fence)


def joined(line: str, found: Verb | None) -> str:
    """The line without the backslashes at the ends of its lines, which only meant that it goes
    on: a verb's words stand in one line then, a text keeps its own. Beside a code fence they are
    code."""
    if any(fence in line for fence in FENCES):
        return line
    is_text = found is None or found.takes_words
    return line.replace("\\\n", "\n" if is_text else "")


def arguments_of(found: Verb, line: str) -> list[str]:
    """What stands behind the verb in a finished line; free text may hold a lone apostrophe.
    Raises UsageError."""
    try:
        return shlex.split(line)[1:]
    except ValueError as error:
        if found.takes_words:
            return line.split()[1:]
        usage = parser_of(found, True).format_usage()
        raise UsageError(f"{error.args[0].lower()}: quotes come in pairs", usage=usage) from None


# ---- what a verb's words stand for ---------------------------------------------------------------


def options_of(found: Verb) -> dict[str, Arg]:
    """The verb's options by each of their flags."""
    return {flag: arg for arg in (*found.args, *COMMON) if arg.is_option for flag in arg.flags}


def argument_at(found: Verb, given: Sequence[str]) -> Arg | None:
    """The argument that comes after those that were given."""
    options = options_of(found)
    if given and given[-1] in options and options[given[-1]].takes_value:
        return options[given[-1]]
    positionals = [arg for arg in found.args if not arg.is_option]
    num_given = len(positionals_in(found, given))
    if num_given < len(positionals):
        return positionals[num_given]
    last = positionals[-1] if positionals else None
    return last if last is not None and last.options.get("nargs") in ("*", "+") else None


def positionals_in(found: Verb, given: Sequence[str]) -> list[str]:
    """The given words that are neither options nor their values."""
    options, kept, skip = options_of(found), [], False
    for part in given:
        if skip:
            skip = False
        elif part in options:
            skip = options[part].takes_value
        elif part.partition("=")[0] not in options:
            kept.append(part)
    return kept
