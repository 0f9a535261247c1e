"""What plugins in use bring beside syscalls, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .errno import ENOSYS, did_you_mean
from .host import PluginHost
from .manifest import KnownVerb
from .offers import PROGRAMS, VERBS
from .records import HeldPlugin
from .table import Owner, SyscallTable


class PluginsInUse:
    """Those of `plugins` that have a host, without those whose name another one has as well."""

    def __init__(self, plugins: Mapping[Owner, HeldPlugin], table: SyscallTable) -> None:
        self._plugins = plugins
        self._table = table

    def __iter__(self) -> Iterator[HeldPlugin]:
        for plugin in self._plugins.values():
            if plugin.host is not None and not self._table.is_refused(plugin.owner):
                yield plugin

    def offered(self, hook: str) -> list[str]:
        """What they offer by a hook, as `acme.twice`."""
        return sorted(
            f"{self._table.name_of(plugin.owner)}.{offer.name}"
            for plugin in self
            for offer in plugin.offers(hook)
        )

    def program(self, name: str) -> tuple[PluginHost, str]:
        """Who runs a program, `twice` or `acme.twice`, and by which name. Raises ENOSYS."""
        known: dict[str, tuple[PluginHost, str]] = {}
        for plugin in self:
            for offer in plugin.offers(PROGRAMS):
                if plugin.host is not None:
                    qualified = f"{self._table.name_of(plugin.owner)}.{offer.name}"
                    known[qualified] = plugin.host, offer.name
        found = [one for one in known if name in (one, known[one][1])]
        if len(found) > 1:
            raise ENOSYS(f"which {name}?", hint=f"there are {' and '.join(sorted(found))}")
        if not found:
            raise ENOSYS(f"there is no program {name!r}", hint=did_you_mean(name, known))
        return known[found[0]]

    def verbs(self) -> dict[str, KnownVerb]:
        """Those that one plugin alone offers."""
        found: dict[str, list[KnownVerb]] = {}
        for plugin in self:
            for offer in plugin.offers(VERBS):
                if plugin.source is not None:
                    verb = KnownVerb(summary=offer.summary, source=plugin.source)
                    found.setdefault(offer.name, []).append(verb)
        return {name: verbs[0] for name, verbs in sorted(found.items()) if len(verbs) == 1}

    def hooks(self) -> list[tuple[PluginHost, tuple[str, ...]]]:
        """The host of each, with the hooks that it implements."""
        return [(one.host, one.loaded.hooks) for one in self if one.host is not None]
