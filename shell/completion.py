"""What Tab offers: verbs, options, pids with their names, syscalls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from .async_client import AsyncClient
from .errors import Interrupted, ShellError
from .verb import COMMON, TABLE, Arg, Verb


class VerbCompleter(Completer):
    """Completes from the verbs' own declarations, and from what the kernel says."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        return ()

    async def get_completions_async(
        self, document: Document, event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        *before, word = document.text_before_cursor.lstrip().split(" ")
        before = [part for part in before if part]
        for text, meta in await self._offers(before, word):
            if text.startswith(word):
                yield Completion(text, start_position=-len(word), display_meta=meta)

    async def _offers(self, before: list[str], word: str) -> list[tuple[str, str]]:
        if not before:
            return _verbs()
        found = TABLE.get(before[0])
        if found is None or found.kind == "outside":
            return []
        if word.startswith("-"):
            return _options(found)
        arg = _arg_at(found, before[1:])
        if arg is None:
            return []
        if "choices" in arg.options:
            return [(choice, "") for choice in arg.options["choices"]]
        return await self._known(arg.completes)

    async def _known(self, kind: str) -> list[tuple[str, str]]:
        if kind == "verb":
            return _verbs()
        try:
            if kind == "pid":
                listed = await self._client.ask("ps")
                return [
                    (str(info.pid), f"{info.name or info.program}, {info.state}")
                    for info in listed.processes
                ]
            if kind == "syscall":
                listed = await self._client.ask("syscalls")
                return [(info.name, info.summary) for info in listed.syscalls]
        except (ShellError, Interrupted):
            pass
        return []


def _verbs() -> list[tuple[str, str]]:
    return [(found.name, found.summary) for found in TABLE.values() if found.kind != "outside"]


def _options(found: Verb) -> list[tuple[str, str]]:
    return [
        (arg.flags[-1], str(arg.options.get("help", "")))
        for arg in (*found.args, *COMMON)
        if arg.is_option
    ]


def _arg_at(found: Verb, given: list[str]) -> Arg | None:
    """The argument that comes after those that were given."""
    options = {flag: arg for arg in (*found.args, *COMMON) if arg.is_option for flag in arg.flags}
    if given and given[-1] in options and "action" not in options[given[-1]].options:
        return options[given[-1]]
    positionals = [arg for arg in found.args if not arg.is_option]
    num_given, skip = 0, False
    for part in given:
        if skip:
            skip = False
        elif part in options:
            skip = "action" not in options[part].options
        else:
            num_given += 1
    return positionals[num_given] if num_given < len(positionals) else None
