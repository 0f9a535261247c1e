"""What stands for something else in a line of a script: `$1`, `${2:-none}`, `$@`, `$#`, `$0`, `$!`.

In a verb's words an argument is one word, whatever is in it: it is quoted as it is put in. In what
is said to an agent it stands as it is. The system's shell gets the arguments as its own.
"""

from __future__ import annotations

import re
import shlex

from ..errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = re.compile(r"\$(?:([0-9]|[@#!])|\{([0-9]+)(?::-([^}]*))?\})")
DOLLAR = "\ue000"
"""Of private use in Unicode: a dollar sign that is no more than that."""

SYSTEM_SHELL = "/bin/sh"

_PLACEHOLDER = "1"
"""For an argument that is not there where lines are only checked: a word, and a pid, too."""


class Parameters:
    """The name of the script and its arguments. `last` is the pid of what was last put into the
    background, if anything was. Where they are `lenient`, nothing is missing."""

    def __init__(self, name: str, arguments: Sequence[str], *, lenient: bool = False) -> None:
        self.name = name
        self.arguments = list(arguments)
        self.lenient = lenient
        self.last: int | None = None

    def plain(self, text: str) -> str:
        """A text with each as it is; `\\$` is a dollar sign. Raises UsageError."""
        parts, at = [], 0
        while at < len(text):
            if text.startswith("\\$", at):
                parts.append("$")
                at += 2
            elif match := _NAME.match(text, at):
                parts.append(" ".join(self._values(match)))
                at = match.end()
            else:
                parts.append(text[at])
                at += 1
        return "".join(parts)

    def quoted(self, text: str) -> str:
        """Words for `shlex.split`, each argument a word, or a part of one. Raises UsageError."""
        parts, at, quote = [], 0, ""
        while at < len(text):
            char = text[at]
            if text.startswith('"$@"', at) and not quote:
                parts.append(shlex.join(self.arguments))
                at += 4
            elif char == "\\" and quote != "'" and at + 1 < len(text):
                parts.append("$" if quote and text[at + 1] == "$" else text[at : at + 2])
                at += 2
            elif quote != "'" and (match := _NAME.match(text, at)):
                values = self._values(match)
                parts.append(_escaped(" ".join(values)) if quote else shlex.join(values))
                at = match.end()
            else:
                if char == quote:
                    quote = ""
                elif char in "\"'" and not quote:
                    quote = char
                parts.append(char)
                at += 1
        return "".join(parts)

    def shielded(self, text: str) -> str:
        """A line whose words are to be read before the parameters are put in, by `in_word`: what
        is in single quotes, or behind a backslash, is none of them."""
        parts: list[str] = []
        quote = ""
        for at, char in enumerate(text):
            before = text[at - 1] if at else " "
            opens = char in "\"'" and not before.isalnum() and char in text[at + 1 :]
            if char == quote:
                quote = ""
            elif not quote and opens and before != "\\":
                quote = char
            if char == "$" and before == "\\" and quote != "'":
                parts[-1] = DOLLAR
            else:
                parts.append(DOLLAR if char == "$" and quote == "'" else char)
        return "".join(parts)

    def in_word(self, word: str) -> list[str]:
        """What a word of a shielded line stands for: one word, but for `$@`."""
        words = self.arguments if word == "$@" else [self.plain(word)]
        return [one.replace(DOLLAR, "$") for one in words]

    def system_argv(self, text: str) -> list[str]:
        """Of a command of the system's shell, which has the arguments for its own."""
        text = text.replace(DOLLAR, "$")
        if self.last is not None:
            text = text.replace("$!", str(self.last))
        return [SYSTEM_SHELL, "-c", text, self.name, *self.arguments]

    def _values(self, match: re.Match[str]) -> list[str]:
        short, long, otherwise = match.groups()
        match short:
            case "@":
                return self.arguments
            case "#":
                return [str(len(self.arguments))]
            case "!":
                return [self._last()]
        number = int(short or long)
        if number == 0:
            return [self.name]
        if number <= len(self.arguments):
            return [self.arguments[number - 1]]
        if otherwise is not None:
            return [otherwise]
        if self.lenient:
            return [_PLACEHOLDER]
        raise UsageError(
            f"there is no argument {number} ({match[0]})",
            f"give it behind the file's name; \\{match[0]} is a dollar sign, "
            f"${{{number}:-text}} stands for a text where it is missing",
        )

    def _last(self) -> str:
        if self.last is None and not self.lenient:
            raise UsageError("$! is the pid of what was last put into the background: nothing was")
        return _PLACEHOLDER if self.last is None else str(self.last)


def _escaped(text: str) -> str:
    """Between double quotes, as shlex reads them."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
