"""What Tab has to offer for each kind of argument: from the verbs' declarations, from the folder,
and from the kernel, which knows its processes, syscalls, policies and plugins best.
"""

from __future__ import annotations

import os

from .. import extensions
from ..arguments import RESOURCES
from ..completing import of_settings
from ..errors import Interrupted, ShellError
from ..verb import TABLE
from ..verbs.past import ROLES
from ..verbs.processes import SORTS, STATES
from ..verbs.signalling import SIGNALS
from .proc_paths import proc_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from ..async_client import AsyncClient
    from ..job import Job
    from ..paths import Paths

MOST_FILES = 500
OWN_PROGRAMS = ("agent",)


class Offer:
    """One thing to choose. `matches` are what a person may begin to type for it: the text itself,
    or a name that stands for it. `is_open` ones are gone on with (a folder, `NAME=`)."""

    __slots__ = ("is_open", "matches", "meta", "shown", "text")

    def __init__(
        self, text: str, meta: str = "", *names: str, shown: str = "", is_open: bool = False
    ) -> None:
        self.text = text
        self.meta = meta
        self.matches = (text, *names)
        self.shown = shown or text
        self.is_open = is_open

    def begins_with(self, word: str) -> bool:
        return any(one.lower().startswith(word.lower()) for one in self.matches)


class Offers:
    """All kinds by name. A kernel that does not answer has nothing to offer."""

    def __init__(
        self, client: AsyncClient, jobs: Callable[[], Awaitable[list[Job]]], paths: Paths
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._paths = paths

    def verbs(self) -> list[Offer]:
        ours = [Offer(one.name, one.summary) for one in TABLE.values() if one.kind != "outside"]
        return ours + [Offer(*brought) for brought in extensions.summaries(self._paths).items()]

    async def of(self, kind: str, word: str, given: Sequence[str] = ()) -> list[Offer]:
        """What there is for an argument of that kind, `given` being those before it."""
        if kind in _FIXED:
            return _FIXED[kind]()
        if kind in ("model", "setting", "value"):
            return [Offer(*found) for found in of_settings(kind, list(given), self._paths)]
        if kind in ("path", "folder"):
            return files(word, folders_only=kind == "folder")
        asked = getattr(self, f"_{kind}", None)
        if asked is None:
            return []
        try:
            found: list[Offer] = await asked(word, given)
            return found
        except (ShellError, Interrupted):
            return []

    async def _verb(self, word: str, given: Sequence[str]) -> list[Offer]:
        return self.verbs()

    async def _pid(self, word: str, given: Sequence[str]) -> list[Offer]:
        """By number or by name: who types the name gets the number."""
        listed = (await self._client.ask("ps")).processes
        return [
            Offer(str(info.pid), f"{info.name or info.program}, {info.state}", info.name or "")
            for info in listed
            if str(info.pid) not in given
        ]

    async def _process(self, word: str, given: Sequence[str]) -> list[Offer]:
        """For @: those that can be talked to, by name where that says which."""
        listed = (await self._client.ask("ps")).processes
        living = [info for info in listed if info.exit_status is None and info.interactive]
        names = [info.name for info in living]
        return [
            Offer(info.name, f"{info.pid}, {info.state}", str(info.pid))
            if info.name and names.count(info.name) == 1 and info.name.isidentifier()
            else Offer(str(info.pid), f"{info.name or info.program}, {info.state}", info.name or "")
            for info in living
        ]

    async def _session(self, word: str, given: Sequence[str]) -> list[Offer]:
        found = (await self._client.ask("conversations", limit=50)).conversations
        return [Offer(str(info.id), info.begins) for info in found]

    async def _proc(self, word: str, given: Sequence[str]) -> list[Offer]:
        """A folder is gone on with."""
        found = await proc_paths(self._client.ask, word)
        return [Offer(path, about, is_open=path.endswith("/")) for path, about in found]

    async def _policy(self, word: str, given: Sequence[str]) -> list[Offer]:
        info = await self._client.ask("scheduler")
        return [Offer(name, "in use" if name == info.policy else "") for name in info.policies]

    async def _syscall(self, word: str, given: Sequence[str]) -> list[Offer]:
        listed = (await self._client.ask("syscalls")).syscalls
        return [Offer(info.name, info.summary) for info in listed]

    async def _syscalls(self, word: str, given: Sequence[str]) -> list[Offer]:
        """`a,b,c`."""
        before = word[: word.rfind(",") + 1]
        taken = before.split(",")
        listed = await self._syscall(word, given)
        return [
            Offer(before + one.text, one.meta, shown=one.text)
            for one in listed
            if one.text not in taken
        ]

    async def _plugin(self, word: str, given: Sequence[str]) -> list[Offer]:
        listed = (await self._client.ask("plugins")).plugins
        return [Offer(info.name, info.origin) for info in listed]

    async def _program(self, word: str, given: Sequence[str]) -> list[Offer]:
        listed = (await self._client.ask("plugins")).plugins
        brought = [
            Offer(offer.removeprefix("program "), info.origin)
            for info in listed
            for offer in info.offers
            if offer.startswith("program ")
        ]
        return [*(Offer(name, "built in") for name in OWN_PROGRAMS), *brought]

    async def _namespace(self, word: str, given: Sequence[str]) -> list[Offer]:
        listed = (await self._client.ask("kb")).namespaces
        return [Offer(info.name, f"{info.documents} documents") for info in listed]

    async def _job(self, word: str, given: Sequence[str]) -> list[Offer]:
        return [
            Offer(f"%{job.number}", f"{job.name}, {job.state}", str(job.pid))
            for job in await self._jobs()
        ]

    async def _argument(self, word: str, given: Sequence[str]) -> list[Offer]:
        """`NAME=VALUE` for the syscall that was named first."""
        info = (await self._client.ask("syscalls", name=given[0])).syscalls[0]
        properties = info.parameters.get("properties", {})
        name, has_value, value = word.partition("=")
        if has_value:
            return _values(name, value, properties.get(name, {}))
        taken = {one.partition("=")[0] for one in given}
        required = info.parameters.get("required", ())
        return [
            Offer(f"{one}=", _described(schema, is_required=one in required), is_open=True)
            for one, schema in properties.items()
            if one not in taken
        ]


_FIXED: dict[str, Callable[[], list[Offer]]] = {
    "signal": lambda: [Offer(name, words) for name, (_, words) in SIGNALS.items()],
    "column": lambda: [Offer(name) for name in SORTS],
    "state": lambda: [Offer(name) for name in STATES],
    "role": lambda: [Offer(name) for name in ROLES],
    "limit": lambda: [Offer(f"{name}=", is_open=True) for name in RESOURCES],
}
"""What is the same on every kernel."""


def files(word: str, *, folders_only: bool = False) -> list[Offer]:
    """The entries of the folder that the word names so far; hidden ones for a word with a dot."""
    folder, begun = os.path.split(word)
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as listed:
            found = sorted(
                (entry for entry in listed if entry.name.startswith(begun)), key=lambda e: e.name
            )[:MOST_FILES]
            return [
                _file(folder, entry.name, is_folder=entry.is_dir())
                for entry in found
                if begun.startswith(".") or not entry.name.startswith(".")
                if entry.is_dir() or not folders_only
            ]
    except OSError:
        return []


def _file(folder: str, name: str, *, is_folder: bool) -> Offer:
    path = os.path.join(folder, name) + ("/" if is_folder else "")
    return Offer(path, shown=name + ("/" if is_folder else ""), is_open=is_folder)


def _values(name: str, value: str, schema: dict[str, Any]) -> list[Offer]:
    """For an argument of a syscall: what its schema lists, or files."""
    if "enum" in schema:
        known = [str(one) for one in schema["enum"]]
    elif schema.get("type") == "boolean":
        known = ["true", "false"]
    elif "path" in name or "file" in name or "folder" in name:
        return [
            Offer(f"{name}={one.text}", shown=one.shown, is_open=one.is_open)
            for one in files(value)
        ]
    else:
        known = []
    return [Offer(f"{name}={one}", shown=one) for one in known]


def _described(schema: dict[str, Any], *, is_required: bool) -> str:
    kind = schema.get("type") or "any"
    needs = "required" if is_required else "optional"
    return " ".join([f"{kind}, {needs}.", schema.get("description", "")]).strip()
