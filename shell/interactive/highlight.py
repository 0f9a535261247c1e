"""The colours of the line that is being typed.

A verb line shows what each word is and what is wrong with it. Anything else is talk, which has no
colours: a word that is no verb is not a mistake.
"""

from __future__ import annotations

from prompt_toolkit.lexers import Lexer
from prompt_toolkit.styles import Style

from .. import extensions
from ..verb import TABLE
from .line import ADDRESS, SAY, SYSTEM, argument_at, options_of, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import StyleAndTextTuples

    from ..paths import Paths
    from ..verb import Arg, Verb
    from .known import Known
    from .line import Word

    Span = tuple[int, int, str]

LONGEST = 4096
"""Characters that are coloured; what is longer was pasted, and is talk."""

STYLE = Style.from_dict(
    {
        "line.verb": "ansigreen bold",
        "line.mark": "ansimagenta bold",
        "line.flag": "ansiblue",
        "line.pid": "ansicyan",
        "line.string": "ansiyellow",
        "line.wrong": "ansired underline",
        "line.goes-on": "dim",
        # Not the usual grey: without colours it would look as if it had been typed.
        "auto-suggestion": "nobold dim",
    }
)
"""Colours of the terminal's own palette; what matters differs without them too."""


class LineLexer(Lexer):
    """Colours from the verbs' declarations, and from what the kernel is known to hold."""

    def __init__(self, known: Known, paths: Paths) -> None:
        self._known = known
        self._paths = paths

    def invalidation_hash(self) -> Hashable:
        return self._known.version

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        text = document.text
        spans = list(self._spans(text)) if len(text) <= LONGEST else []
        lines = _lines(text, spans)
        return lambda number: lines[number] if number < len(lines) else []

    def _spans(self, text: str) -> Iterator[Span]:
        start = len(text) - len(text.lstrip())
        mark = text[start : start + 1]
        words = words_of(text)
        in_background = bool(words) and words[-1].raw == "&"
        said = words[:-1] if in_background else words
        if not said:
            return
        if mark in (SYSTEM, SAY):
            yield start, start + 1, "mark"
        elif mark == ADDRESS:
            yield start, start + 1, "mark"
            yield start + 1, said[0].end, self._process(said[0].raw[1:])
        else:
            yield from self._command(said)
        if in_background:
            yield words[-1].start, words[-1].end, "mark"

    def _command(self, words: Sequence[Word]) -> Iterator[Span]:
        found = TABLE.get(words[0].raw)
        is_brought = words[0].raw in extensions.summaries(self._paths)
        if not is_brought and (found is None or found.kind == "outside"):
            return
        yield words[0].start, words[0].end, "verb"
        if found is None:  # its arguments are in a package that is not imported for a colour
            return
        given: list[str] = []
        for index, word in enumerate(words[1:], start=1):
            if word.raw == "|":
                yield word.start, word.end, "mark"
                yield from self._command(words[index + 1 :]) if words[index + 1 :] else ()
                return
            style = "mark" if word.is_operator else self._word(found, given, word)
            if style:
                yield word.start, word.end, style
            given.append(word.text)

    def _word(self, found: Verb, given: Sequence[str], word: Word) -> str:
        options = options_of(found)
        is_value = bool(given) and given[-1] in options and options[given[-1]].takes_value
        if word.raw[0] == "-" and len(word.raw) > 1 and not is_value and "--" not in given:
            flag = word.raw.partition("=")[0]
            is_known = flag in options or flag in ("-h", "--help", "--")
            # One that is still being typed may yet become right.
            may_become = any(one.startswith(flag) for one in options)
            return "flag" if is_known or found.open_ended else "" if may_become else "wrong"
        arg = argument_at(found, given)
        if arg is not None and arg.completes == "pid":
            return self._process(word.text)
        if arg is not None and "choices" in arg.options:
            return _choice(arg, word.text)
        if word.raw[0] in "'\"":
            return "string"
        return ""

    def _process(self, who: str) -> str:
        """A pid or a name: of a living process, of none, or of nobody knows."""
        living = self._known.processes
        if living is None:
            return ""
        if who.isdecimal():
            return "pid" if int(who) in living else "wrong"
        if who in living.values():
            return "pid"
        return "" if any(name.startswith(who) for name in living.values()) else "wrong"


def _choice(arg: Arg, text: str) -> str:
    choices = arg.options["choices"]
    return "" if any(choice.startswith(text) for choice in choices) else "wrong"


def _lines(text: str, spans: Sequence[Span]) -> list[StyleAndTextTuples]:
    """The text by lines, in fragments."""
    lines: list[StyleAndTextTuples] = [[]]

    def add(part: str, style: str) -> None:
        for number, piece in enumerate(part.split("\n")):
            if number:
                lines.append([])
            if piece:
                lines[-1].append((style, piece))

    at = 0
    for start, end, name in spans:
        add(text[at:start], "")
        add(text[start:end], f"class:line.{name}" if name else "")
        at = end
    add(text[at:], "")
    return lines
