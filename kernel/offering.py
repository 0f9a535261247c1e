"""Offering: which syscalls a process's model is told of.

A process names them, or it is offered the listed ones. What is mounted is listed too, but a server
of thirty tools would fill a small window before the first word is said: all that is mounted gets a
share of the window, and of a server that is too large for what is left of it nothing is offered
unless a process names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from ..syscalls.errno import ENOSYS, did_you_mean
from ..syscalls.spec import SyscallSpec
from ..syscalls.table import SyscallTable

SHARE = 0.25
"""Of a window, for the descriptions of what is mounted."""

ALL = ".*"
"""`files.*` names all that is mounted as `files`."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A mount whose listed tools are not offered: they take `tokens`, and there were `left`."""

    tokens: int
    left: int


class Offering:
    """Works out anew what it says when the table or the window changes, and not before."""

    def __init__(self, table: SyscallTable, count_tokens: Callable[[str], int]) -> None:
        self._table = table
        self._count_tokens = count_tokens
        self._of: tuple[int, int | None] | None = None
        self._specs: dict[tuple[str, ...] | None, list[SyscallSpec]] = {}
        self._crowds: dict[str, Crowd] = {}

    def to(self, tools: tuple[str, ...] | None, window_tokens: int | None) -> list[SyscallSpec]:
        """By name, what a process is offered that names `tools`, or None. A window that is not
        known yet holds all."""
        self._look(window_tokens)
        if tools not in self._specs:
            self._specs[tools] = self._usual() if tools is None else self._named(frozenset(tools))
        return self._specs[tools]

    def crowded(self, window_tokens: int | None) -> dict[str, Crowd]:
        """The mounts that are too large, by name."""
        self._look(window_tokens)
        return self._crowds

    def knows(self, name: str) -> bool:
        """Is there such a syscall, or such a mount if it ends in `.*`?"""
        if not name.endswith(ALL):
            return self._table.find(name) is not None
        return any(spec.name.startswith(name[:-1]) for spec in self._table.specs())

    def check(self, name: str) -> None:
        """Raises ENOSYS, with the nearest name."""
        if self.knows(name):
            return
        if name.endswith(ALL):
            prefixes = {s.name.partition(".")[0] for s in self._table.specs() if "." in s.name}
            hint = did_you_mean(name.removesuffix(ALL), prefixes) or "llmos mcp list shows all"
            raise ENOSYS(f"nothing is mounted as {name.removesuffix(ALL)}", hint=hint)
        self._table.lookup(name)

    def _usual(self) -> list[SyscallSpec]:
        return [
            spec
            for spec in self._table.specs()
            if spec.listed and not ("." in spec.name and spec.plugin in self._crowds)
        ]

    def _named(self, names: frozenset[str]) -> list[SyscallSpec]:
        """Those of these names; one that is named with its plugin is offered under that name."""
        found = {spec.name: spec for spec in self._table.specs() if _names(names, spec)}
        for name in sorted(names - found.keys()):
            if (spec := self._table.find(name)) is not None:
                found[name] = spec.model_copy(update={"name": name})
        return list(found.values())

    def _look(self, window_tokens: int | None) -> None:
        now = (self._table.version, window_tokens)
        if now == self._of:
            return
        self._of = now
        self._specs = {}
        self._crowds = {} if window_tokens is None else self._crowds_in(window_tokens)

    def _crowds_in(self, window_tokens: int) -> dict[str, Crowd]:
        sizes: dict[str, int] = {}
        for spec in self._table.specs():
            if "." in spec.name and spec.listed:
                tokens = self._count_tokens(json.dumps(spec.tool(), ensure_ascii=False))
                sizes[spec.plugin] = sizes.get(spec.plugin, 0) + tokens
        left = int(window_tokens * SHARE)
        crowds = {}
        for plugin, tokens in sizes.items():
            if tokens > left:
                crowds[plugin] = Crowd(tokens, left)
            else:
                left -= tokens
        return crowds


def _names(named: frozenset[str], spec: SyscallSpec) -> bool:
    return spec.name in named or f"{spec.name.partition('.')[0]}{ALL}" in named
