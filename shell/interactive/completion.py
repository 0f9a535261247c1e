"""What Tab completes: the word before the cursor, by what may stand in its place."""

from __future__ import annotations

import re

from prompt_toolkit.completion import Completer, Completion

from .. import extensions
from ..errors import ShellError
from ..output import harmless
from ..verb import COMMON, TABLE, Verb
from .line import ADDRESS, SAY, SYSTEM, argument_at, command_of, current_word, words_of
from .offers import Offer, Offers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from ..async_client import AsyncClient
    from ..job import Job
    from ..paths import Paths

_TO_ESCAPE = re.compile(r"""([\s'"\\|<>&;])""")


class VerbCompleter(Completer):
    """Completes from the verbs' own declarations, and from what the kernel says."""

    def __init__(
        self, client: AsyncClient, jobs: Callable[[], Awaitable[list[Job]]], paths: Paths
    ) -> None:
        self._paths = paths
        self._offers = Offers(client, jobs, paths)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        return ()

    async def get_completions_async(
        self, document: Document, event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        line = document.text_before_cursor
        word = current_word(line)
        offered, begun = await self._at(line)
        quote = word.raw[:1] if word.quote and word.raw[:1] == word.quote else ""
        for offer in offered:
            if offer.begins_with(begun):
                head = word.raw[: len(word.raw) - len(begun)] if word.text != begun else ""
                yield Completion(
                    head + _quoted(offer, quote),
                    start_position=-len(word.raw),
                    display=harmless(offer.shown),
                    display_meta=harmless(offer.meta),
                )

    async def _at(self, line: str) -> tuple[list[Offer], str]:
        """What may stand where the line ends, and how much of it is there."""
        word = current_word(line)
        mark = line.lstrip()[:1]
        if mark == ADDRESS:
            if len(words_of(line)) == 1 and word.raw:
                return await self._offers.of("process", word.raw[1:]), word.raw[1:]
            return [], ""
        if mark == SAY:
            return [], ""
        words = words_of(line)
        before = command_of(words[:-1] if word.raw else words)
        if mark == SYSTEM:
            return (await self._offers.of("path", word.text) if before else []), word.text
        if before and before[-1].raw in ("<", ">", ">>"):
            return await self._offers.of("path", word.text), word.text
        if not before:
            return self._offers.verbs(), word.text
        return await self._argument([one.text for one in before], word.text)

    async def _argument(self, before: list[str], word: str) -> tuple[list[Offer], str]:
        found = self._verb(before[0])
        if found is None or found.kind == "outside":
            return [], ""
        given = before[1:]
        flag, has_value, value = word.partition("=")
        if has_value and flag.startswith("--"):
            given, word = [*given, flag], value
        elif word.startswith("-"):
            return _options(found), word
        arg = argument_at(found, given)
        if arg is None:
            return [], ""
        if "choices" in arg.options:
            return [Offer(str(choice)) for choice in arg.options["choices"]], word
        return await self._offers.of(arg.completes, word, given), word

    def _verb(self, name: str) -> Verb | None:
        try:
            return TABLE.get(name) or extensions.find(name, self._paths)
        except ShellError:
            return None


def _options(found: Verb) -> list[Offer]:
    return [
        Offer(arg.flags[-1], str(arg.options.get("help", "")).replace("%%", "%"), *arg.flags)
        for arg in (*found.args, *COMMON)
        if arg.is_option and arg.is_listed
    ]


def _quoted(offer: Offer, quote: str) -> str:
    """As the line needs it: behind the quote that is open, or with its blanks escaped. What is
    gone on with keeps its quote open."""
    if not quote:
        return _TO_ESCAPE.sub(r"\\\1", offer.text)
    inside = offer.text if quote == "'" else re.sub(r'(["\\])', r"\\\1", offer.text)
    return quote + inside + ("" if offer.is_open else quote)
