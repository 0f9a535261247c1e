"""The syscall table: which name leads to which function, and who may not have a name.

A name that two plugins claim leads nowhere, whichever was installed first: a call that means one
plugin today and another tomorrow is worse than an error. Built-in names cannot be claimed. The
same holds for the names of plugins, because capabilities are granted by them. `PLUGIN.SYSCALL`
always leads to that plugin's, and an alias that the user has set gives a syscall, or a plugin,
another name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .context import Context
from .errno import ENOSYS, EPERM, did_you_mean
from .runner import Runner
from .settings import NONE, PluginSettings
from .spec import SyscallSpec


@dataclass(frozen=True, slots=True)
class Entry:
    spec: SyscallSpec
    runner: Runner


@dataclass(frozen=True, slots=True)
class Owner:
    """A plugin in the table. `origin` tells two plugins of one name apart."""

    plugin: str
    origin: str
    builtin: bool = False

    def __str__(self) -> str:
        return f"{self.plugin} ({self.origin})"


class SyscallTable:
    """`put` and `drop` say what plugins claim; `lookup` and `specs` what came of it."""

    def __init__(self) -> None:
        self._claims: dict[Owner, tuple[Entry, ...]] = {}
        self._settings = NONE
        self._settled = True
        self._entries: dict[str, tuple[Owner, Entry]] = {}
        self._qualified: dict[str, Entry] = {}
        self._refused: dict[str, str] = {}
        self._errors: dict[Owner, list[str]] = {}
        self._spoken: dict[str, str] = {}
        self._version = 0
        self._nameless: set[Owner] = set()

    def put(self, owner: Owner, entries: Iterable[Entry]) -> None:
        """All that this owner offers from now on."""
        self._claims[owner] = tuple(entries)
        self._settled = False

    def drop(self, owner: Owner) -> None:
        if self._claims.pop(owner, None) is not None:
            self._settled = False

    def obey(self, settings: PluginSettings) -> None:
        """What the user has decided, from now on."""
        self._settings, self._settled = settings, False

    def find(self, name: str) -> SyscallSpec | None:
        entry = self._find(name)
        return entry.spec if entry else None

    def lookup(self, name: str) -> Entry:
        """ENOSYS with the nearest name where there is none."""
        entry = self._find(name)
        if entry is None:
            raise ENOSYS(f"no syscall {name}", hint=self.suggestion(name))
        return entry

    def _find(self, name: str) -> Entry | None:
        self._settle()
        if name in self._entries:
            return self._entries[name][1]
        return self._qualified.get(name)

    def suggestion(self, name: str) -> str:
        """Why there is no such name, or the nearest one, or ''."""
        self._settle()
        if name in self._refused:
            return self._refused[name]
        return did_you_mean(name, self._qualified if "." in name else self._entries)

    def specs(self) -> list[SyscallSpec]:
        """Of every syscall that can be called, by name."""
        self._settle()
        return [self._entries[name][1].spec for name in sorted(self._entries)]

    def meant(self, name: str) -> str:
        """The syscall that a model means: it speaks of `files.read` as `spoken` tells it."""
        self._settle()
        return name if name in self._entries else self._spoken.get(name, name)

    @property
    def version(self) -> int:
        """Another number after each change."""
        self._settle()
        return self._version

    def names(self, owner: Owner) -> list[str]:
        """The syscalls that this owner was given."""
        self._settle()
        return sorted(name for name, (holder, _) in self._entries.items() if holder == owner)

    def errors(self, owner: Owner) -> list[str]:
        """Why this owner was not given all that it claims."""
        self._settle()
        return self._errors.get(owner, [])

    # ---- who gets what: a function of all claims, so that their order does not matter ------

    def _settle(self) -> None:
        """Not before somebody asks: many plugins may come at once."""
        if self._settled:
            return
        self._settled = True
        self._entries, self._qualified, self._refused, self._errors = {}, {}, {}, {}
        self._nameless = set()
        claims: dict[str, list[tuple[Owner, str, Entry]]] = defaultdict(list)
        for owner in self._without_clashes():
            for entry in self._claims[owner]:
                entry = self._as_decided(owner, entry)
                qualified = _qualified(self.name_of(owner), entry.spec.name)
                name = self._settings.alias.get(qualified, entry.spec.name)
                entry = _renamed(entry, name)
                self._qualified[qualified] = entry
                claims[name].append((owner, qualified, entry))
        for name, claimants in claims.items():
            self._settle_one(name, claimants)
        self._spoken = {
            spoken(name): name for name in (*self._qualified, *self._entries) if "." in name
        }
        self._version += 1

    def name_of(self, owner: Owner) -> str:
        """What a plugin is called here."""
        return self._settings.alias.get(owner.origin, owner.plugin)

    def is_refused(self, owner: Owner) -> bool:
        """Has another one its name, too?"""
        self._settle()
        return owner in self._claims and owner in self._nameless

    def _as_decided(self, owner: Owner, entry: Entry) -> Entry:
        spec, runner = entry.spec, entry.runner
        if (plugin := self.name_of(owner)) != spec.plugin:
            spec = spec.model_copy(update={"plugin": plugin})
        if spec.approve and f"{plugin}.{spec.name}" not in self._settings.approved:
            runner = _Unapproved(f"{plugin}.{spec.name}")
        return Entry(spec, runner)

    def _without_clashes(self) -> list[Owner]:
        """The owners whose plugin's name is theirs alone."""
        by_name: dict[str, list[Owner]] = defaultdict(list)
        for owner in self._claims:
            by_name[self.name_of(owner)].append(owner)
        alone = []
        for plugin, owners in by_name.items():
            winner = _winner(owners)
            alone += [winner] if winner else []
            for owner in owners:
                if owner != winner:
                    self._nameless.add(owner)
                    self._object(owner, owners, f"the plugin name {plugin}", f"{owner.origin!r}")
        return alone

    def _settle_one(self, name: str, claimants: list[tuple[Owner, str, Entry]]) -> None:
        owners = [owner for owner, _, _ in claimants]
        winner = _winner(owners)
        for owner, qualified, entry in claimants:
            if owner == winner:
                self._entries[name] = (owner, entry)
            else:
                self._object(owner, owners, f"the syscall {name}", qualified)
        if winner is None:
            both = " and ".join(sorted(map(str, owners)))
            ways = " or ".join(sorted(qualified for _, qualified, _ in claimants))
            self._refused[name] = f"{both} both claim it, so neither has it: call {ways}"

    def _object(self, owner: Owner, owners: list[Owner], what: str, key: str) -> None:
        mend = f"llmos plugins alias {key} NAME gives it another"
        if any(other.builtin for other in owners):
            error = f"{what} is built in and cannot be taken: {mend}"
        else:
            everyone = " and ".join(sorted(map(str, owners)))
            error = f"{what} is claimed by {everyone}, so none of them has it: {mend}"
        self._errors.setdefault(owner, []).append(error)


def spoken(name: str) -> str:
    """A syscall's name as models are told it: many chat templates and parsers of calls take
    letters, digits, _ and - alone."""
    return name.replace(".", "__")


def _qualified(plugin: str, name: str) -> str:
    """A syscall's name with its plugin's; that of what is mounted has it already."""
    return name if name.startswith(f"{plugin}.") else f"{plugin}.{name}"


@dataclass(frozen=True, slots=True)
class _Renamed:
    """A runner that knows its syscall by the name that the author has given it."""

    runner: Runner
    name: str

    async def run(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float
    ) -> str:
        return await self.runner.run(self.name, arguments, ctx, timeout_s)


@dataclass(frozen=True, slots=True)
class _Unapproved:
    """In the place of a runner whose syscall wants to be approved, and is not."""

    qualified: str

    async def run(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float
    ) -> str:
        raise EPERM(
            f"{self.qualified} is to be approved by the user, who has not done so",
            hint=f"the user may type: llmos plugins approve {self.qualified}",
        )


def _renamed(entry: Entry, name: str) -> Entry:
    """Called by whatever name, it reaches its runner by its own."""
    own = entry.spec.name
    spec = entry.spec if name == own else entry.spec.model_copy(update={"name": name})
    return Entry(spec, _Renamed(entry.runner, own))


def _winner(owners: list[Owner]) -> Owner | None:
    """The built-in one, or else the only one."""
    builtin = [owner for owner in owners if owner.builtin]
    if builtin:
        return builtin[0]
    return owners[0] if len(owners) == 1 else None
