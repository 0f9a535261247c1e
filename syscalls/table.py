"""The syscall table: which name leads to which function, and who may not have a name.

A name that two plugins claim leads nowhere, whichever was installed first: a call that means one
plugin today and another tomorrow is worse than an error. Built-in names cannot be claimed. The
same holds for the names of plugins, because capabilities are granted by them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .errno import ENOSYS, did_you_mean
from .runner import Runner
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
        self._entries: dict[str, tuple[Owner, Entry]] = {}
        self._refused: dict[str, str] = {}
        self._errors: dict[Owner, list[str]] = {}

    def put(self, owner: Owner, entries: Iterable[Entry]) -> None:
        """All that this owner offers from now on."""
        self._claims[owner] = tuple(entries)
        self._settle()

    def drop(self, owner: Owner) -> None:
        if self._claims.pop(owner, None) is not None:
            self._settle()

    def find(self, name: str) -> SyscallSpec | None:
        return self._entries[name][1].spec if name in self._entries else None

    def lookup(self, name: str) -> Entry:
        """ENOSYS with the nearest name where there is none."""
        if name in self._entries:
            return self._entries[name][1]
        raise ENOSYS(f"no syscall {name}", hint=self.suggestion(name))

    def suggestion(self, name: str) -> str:
        """Why there is no such name, or the nearest one, or ''."""
        return self._refused.get(name) or did_you_mean(name, self._entries)

    def specs(self) -> list[SyscallSpec]:
        """Of every syscall that can be called, by name."""
        return [self._entries[name][1].spec for name in sorted(self._entries)]

    def names(self, owner: Owner) -> list[str]:
        """The syscalls that this owner was given."""
        return sorted(name for name, (holder, _) in self._entries.items() if holder == owner)

    def errors(self, owner: Owner) -> list[str]:
        """Why this owner was not given all that it claims."""
        return self._errors.get(owner, [])

    # ---- who gets what: a function of all claims, so that their order does not matter ------

    def _settle(self) -> None:
        self._entries, self._refused, self._errors = {}, {}, {}
        claims: dict[str, list[tuple[Owner, Entry]]] = defaultdict(list)
        for owner in self._without_clashes():
            for entry in self._claims[owner]:
                claims[entry.spec.name].append((owner, entry))
        for name, claimants in claims.items():
            self._settle_one(name, claimants)

    def _without_clashes(self) -> list[Owner]:
        """The owners whose plugin's name is theirs alone."""
        by_name: dict[str, list[Owner]] = defaultdict(list)
        for owner in self._claims:
            by_name[owner.plugin].append(owner)
        alone = []
        for plugin, owners in by_name.items():
            winner = _winner(owners)
            alone += [winner] if winner else []
            for owner in owners:
                if owner != winner:
                    self._object(owner, owners, f"the plugin name {plugin}")
        return alone

    def _settle_one(self, name: str, claimants: list[tuple[Owner, Entry]]) -> None:
        owners = [owner for owner, _ in claimants]
        winner = _winner(owners)
        for owner, entry in claimants:
            if owner == winner:
                self._entries[name] = (owner, entry)
            else:
                self._object(owner, owners, f"the syscall {name}")
        if winner is None:
            both = " and ".join(sorted(map(str, owners)))
            self._refused[name] = f"{both} both claim it, so neither has it"

    def _object(self, owner: Owner, owners: list[Owner], what: str) -> None:
        if any(other.builtin for other in owners):
            error = f"{what} is built in and cannot be taken: rename it"
        else:
            everyone = " and ".join(sorted(map(str, owners)))
            error = f"{what} is claimed by {everyone}, so none of them has it: rename one"
        self._errors.setdefault(owner, []).append(error)


def _winner(owners: list[Owner]) -> Owner | None:
    """The built-in one, or else the only one."""
    builtin = [owner for owner in owners if owner.builtin]
    if builtin:
        return builtin[0]
    return owners[0] if len(owners) == 1 else None
