"""What Tab offers: verbs, options, pids with their names, syscalls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from .. import extensions
from ..arguments import RESOURCES
from ..async_client import AsyncClient
from ..errors import Interrupted, ShellError
from ..job import Job
from ..paths import Paths
from ..verb import COMMON, TABLE, Arg, Verb
from ..verbs.past import ROLES
from ..verbs.processes import SORTS, STATES
from ..verbs.signalling import SIGNALS
from .proc_paths import proc_paths


class VerbCompleter(Completer):
    """Completes from the verbs' own declarations, and from what the kernel says."""

    def __init__(
        self, client: AsyncClient, jobs: Callable[[], Awaitable[list[Job]]], paths: Paths
    ) -> None:
        self._client = client
        self._paths = paths
        self._jobs = jobs

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        return ()

    async def get_completions_async(
        self, document: Document, event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        *before, word = document.text_before_cursor.lstrip().split(" ")
        before = [part for part in before if part]
        for text, meta in await self._offers(before, word):
            if text.lower().startswith(word.lower()):
                yield Completion(text, start_position=-len(word), display_meta=meta)

    async def _offers(self, before: list[str], word: str) -> list[tuple[str, str]]:
        if not before:
            return [*_verbs(), *extensions.summaries(self._paths).items()]
        found = TABLE.get(before[0]) or extensions.find(before[0], self._paths)
        if found is None or found.kind == "outside":
            return []
        if word.startswith("-"):
            return _options(found)
        arg = _arg_at(found, before[1:])
        if arg is None:
            return []
        if "choices" in arg.options:
            return [(choice, "") for choice in arg.options["choices"]]
        return await self._known(arg.completes, word)

    async def _known(self, kind: str, word: str) -> list[tuple[str, str]]:
        if kind in _FIXED:
            return _FIXED[kind]()
        try:
            if kind == "pid":
                listed = await self._client.ask("ps")
                return [
                    (str(info.pid), f"{info.name or info.program}, {info.state}")
                    for info in listed.processes
                ]
            if kind == "session":
                found = (await self._client.ask("conversations", limit=50)).conversations
                return [(str(info.id), info.begins) for info in found]
            if kind == "proc":
                return await proc_paths(self._client.ask, word)
            if kind == "policy":
                return [(name, "") for name in (await self._client.ask("scheduler")).policies]
            if kind in ("syscall", "syscalls"):
                listed = await self._client.ask("syscalls")
                chosen = word[: word.rfind(",") + 1] if kind == "syscalls" else ""
                return [(chosen + info.name, info.summary) for info in listed.syscalls]
            if kind == "plugin":
                plugins = (await self._client.ask("plugins")).plugins
                return [(info.name, info.origin) for info in plugins]
            if kind == "job":
                return [
                    (f"%{job.number}", f"{job.name}, {job.state}") for job in await self._jobs()
                ]
        except (ShellError, Interrupted):
            pass
        return []


def _verbs() -> list[tuple[str, str]]:
    return [(found.name, found.summary) for found in TABLE.values() if found.kind != "outside"]


_FIXED: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "verb": _verbs,
    "signal": lambda: [(name, words) for name, (_, words) in SIGNALS.items()],
    "column": lambda: [(name, "") for name in SORTS],
    "state": lambda: [(name, "") for name in STATES],
    "role": lambda: [(name, "") for name in ROLES],
    "limit": lambda: [(f"{name}=", "") for name in RESOURCES],
}
"""What is the same on every kernel."""


def _options(found: Verb) -> list[tuple[str, str]]:
    return [
        (arg.flags[-1], str(arg.options.get("help", "")))
        for arg in (*found.args, *COMMON)
        if arg.is_option and arg.is_listed
    ]


def _arg_at(found: Verb, given: list[str]) -> Arg | None:
    """The argument that comes after those that were given."""
    options = {flag: arg for arg in (*found.args, *COMMON) if arg.is_option for flag in arg.flags}
    if given and given[-1] in options and options[given[-1]].takes_value:
        return options[given[-1]]
    positionals = [arg for arg in found.args if not arg.is_option]
    num_given, skip = 0, False
    for part in given:
        if skip:
            skip = False
        elif part in options:
            skip = options[part].takes_value
        else:
            num_given += 1
    if num_given < len(positionals):
        return positionals[num_given]
    last = positionals[-1] if positionals else None
    return last if last is not None and last.options.get("nargs") in ("*", "+") else None
