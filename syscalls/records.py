"""A plugin as it is held, and as `llmos plugins` tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from .discovery import Signature
from .host import PluginHost
from .offers import PROGRAMS, VERBS
from .table import Entry, Owner, SyscallTable
from .wire import Loaded, Offer, Source

NOTHING = Loaded(specs=())

_KINDS = {
    PROGRAMS: "program",
    VERBS: "verb",
    "llmos_scheduling_policies": "scheduling policy",
    "llmos_eviction_policies": "eviction policy",
    "llmos_engine_drivers": "engine driver",
    "llmos_embeddings": "embedding",
}


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """A line of `plugins`. `error` is why the plugin, or a part of it, is not in use; or ''.
    `offers` says what it brings beside syscalls, as `program acme.twice`."""

    name: str
    origin: str
    version: str
    syscalls: tuple[str, ...]
    load_ms: float
    error: str = ""
    path: str = ""
    hooks: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    enabled: bool = True


@dataclass(slots=True)
class HeldPlugin:
    """`signature` is of the file that was loaded, to see when it changes. `entries` are of a
    built-in one, which stays imported while it is disabled."""

    owner: Owner
    version: str = ""
    source: Source | None = None
    signature: Signature | None = None
    host: PluginHost | None = None
    loaded: Loaded = NOTHING
    entries: tuple[Entry, ...] = ()
    loading: asyncio.Task[None] | None = None
    load_ms: float = 0.0
    error: str = ""
    enabled: bool = True
    worked: bool = False  # was in use once, so that breaking it takes calls away

    def offers(self, hook: str) -> list[Offer]:
        return [offer for offer in self.loaded.offers if offer.hook == hook]


def record_of(
    plugin: HeldPlugin, table: SyscallTable, in_use: Collection[HeldPlugin]
) -> PluginRecord:
    """`in_use` are all plugins that are, of which some may claim the same verb."""
    name = table.name_of(plugin.owner)
    errors = [plugin.error] if plugin.error else []
    if not errors and plugin.host is None and plugin.loading and not plugin.loading.done():
        errors = ["it is still being imported"]
    source, loaded = plugin.source, plugin.loaded
    return PluginRecord(
        name=name,
        origin=plugin.owner.origin,
        version=plugin.version or loaded.version,
        syscalls=tuple(table.names(plugin.owner)),
        load_ms=round(plugin.load_ms, 1),
        error="; ".join([*errors, *table.errors(plugin.owner), *_clashes(plugin, in_use)]),
        path=loaded.path or (source.file if source else ""),
        hooks=loaded.hooks,
        offers=tuple(_words(offer, name) for offer in loaded.offers),
        enabled=plugin.enabled,
    )


def _clashes(plugin: HeldPlugin, in_use: Collection[HeldPlugin]) -> list[str]:
    """Its verbs that another one brings as well."""
    errors = []
    for offer in plugin.offers(VERBS):
        claimants = sorted(
            str(other.owner)
            for other in in_use
            if any(one.name == offer.name for one in other.offers(VERBS))
        )
        if len(claimants) > 1:
            both = " and ".join(claimants)
            errors.append(f"the verb {offer.name} is that of {both}: disable one of them")
    return errors


def _words(offer: Offer, plugin: str) -> str:
    name = offer.name if offer.hook == VERBS else f"{plugin}.{offer.name}"
    return f"{_KINDS.get(offer.hook, offer.hook)} {name}"
