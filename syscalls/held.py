"""The plugins that there are, each loaded, reloaded and unloaded without regard to the others."""

from __future__ import annotations

import asyncio
import time

from . import discovery
from .desk import SecretOf
from .errno import LoadError, SyscallError
from .host import HostLimits, PluginHost
from .in_use import PluginsInUse
from .manifest import Manifest
from .observers import PluginObservers
from .records import NOTHING, HeldPlugin
from .settings import SettingsFile
from .table import Entry, Owner, SyscallTable
from .wire import Loaded

LOADS_AT_ONCE = 8


class HeldPlugins:
    """Owns what is in the table, who observes, and the host of every plugin that is not built in;
    `close` ends them. Nothing of a plugin that the user has disabled is in use."""

    def __init__(
        self, manifest: Manifest, settings: SettingsFile, limits: HostLimits, secret_of: SecretOf
    ) -> None:
        self.table = SyscallTable()
        self.observers = PluginObservers()
        self.all: dict[Owner, HeldPlugin] = {}
        self.in_use = PluginsInUse(self.all, self.table)
        self.loaded = asyncio.Event()
        """What there was at the boot is loaded: from now on each change counts at once."""
        self._manifest = manifest
        self._settings = settings
        self._limits = limits
        self._secret_of = secret_of
        self._retired: list[PluginHost] = []
        self._closed = False
        self._loads = asyncio.Semaphore(LOADS_AT_ONCE)

    def begin(self, plugin: HeldPlugin, *, remembered: bool = False) -> None:
        """Load or reload it, on the side: a plugin that is slow to import holds up no other. One
        that is `remembered` is in use at once, and imported when it is called."""
        if self._closed:
            return
        if plugin.loading:
            plugin.loading.cancel()
        plugin.enabled = self._is_enabled(plugin)
        if not plugin.enabled:
            return
        assert plugin.source is not None
        known = self._manifest.find(plugin.source, plugin.version) if remembered else None
        if known is not None:
            host = self._host(plugin)
            host.know(known.loaded)
            self._use(plugin, host, known.loaded)
            plugin.load_ms = known.load_ms
        else:
            plugin.loading = asyncio.create_task(self._load(plugin))

    def unload(self, plugin: HeldPlugin) -> None:
        if plugin.loading:
            plugin.loading.cancel()
        plugin.error = ""
        self._withdraw(plugin)

    def obey(self) -> None:
        """What the user has decided, of plugins that are there."""
        self.table.obey(self._settings.settings)
        for plugin in list(self.all.values()):
            wanted = self._is_enabled(plugin)
            if plugin.enabled == wanted:
                continue
            plugin.enabled = wanted
            if plugin.owner.builtin:
                if wanted:
                    self.table.put(plugin.owner, plugin.entries)
                else:
                    self.table.drop(plugin.owner)
            elif wanted and plugin.source:
                self.begin(plugin, remembered=True)
            else:
                self.unload(plugin)
        self.changed()

    def changed(self) -> None:
        """What plugins bring beside syscalls may be another than before."""
        self.observers.are(self.in_use.hooks())
        self._manifest.write(self.in_use.verbs())

    async def settled(self) -> None:
        """Until no plugin is being loaded."""
        while loading := [
            p.loading for p in self.all.values() if p.loading and not p.loading.done()
        ]:
            await asyncio.wait(loading)

    async def close(self) -> None:
        """End every worker."""
        self._closed = True
        for plugin in self.all.values():
            if plugin.loading:
                plugin.loading.cancel()
        await self.settled()
        hosts = [*(plugin.host for plugin in self.all.values()), *self._retired]
        await asyncio.gather(*(host.close() for host in hosts if host))

    def _is_enabled(self, plugin: HeldPlugin) -> bool:
        disabled = self._settings.settings.disabled
        return self.table.name_of(plugin.owner) not in disabled

    def _host(self, plugin: HeldPlugin) -> PluginHost:
        assert plugin.source is not None

        def reload() -> None:
            if self.all.get(plugin.owner) is plugin and plugin.host is host:
                self.begin(plugin)

        name = plugin.owner.plugin
        host = PluginHost(name, [plugin.source], self._limits, self._secret_of, reload)
        return host

    async def _load(self, plugin: HeldPlugin) -> None:
        assert plugin.source is not None
        host = self._host(plugin)
        start = time.perf_counter()
        try:
            discovery.check_name(plugin.owner.plugin)
            async with self._loads:
                start = time.perf_counter()
                loaded = await host.load()
        except (LoadError, SyscallError) as error:
            plugin.load_ms = ms_since(start)
            gone = "; its syscalls are gone until it is mended" if plugin.worked else ""
            plugin.error = f"{error}{gone}"
            self._manifest.forget(plugin.source)
            self._withdraw(plugin)
        except BaseException:
            await host.close()
            raise
        else:
            plugin.load_ms = ms_since(start)
            self._manifest.learn(plugin.source, plugin.version, loaded, round(plugin.load_ms, 1))
            self._use(plugin, host, loaded)
        if self.loaded.is_set():
            self.changed()

    def _use(self, plugin: HeldPlugin, host: PluginHost, loaded: Loaded) -> None:
        plugin.error, plugin.worked, plugin.loaded = "", True, loaded
        old, plugin.host = plugin.host, host
        self.table.put(plugin.owner, [Entry(spec, host) for spec in loaded.specs])
        self._retire(old)

    def _withdraw(self, plugin: HeldPlugin) -> None:
        self.table.drop(plugin.owner)
        plugin.loaded = NOTHING
        old, plugin.host = plugin.host, None
        self._retire(old)

    def _retire(self, host: PluginHost | None) -> None:
        """Calls in flight end where they began."""
        if host is not None:
            host.retire()
            self._retired = [h for h in self._retired if not h.closed] + [host]


def ms_since(start: float) -> float:
    """Milliseconds since that `time.perf_counter()`."""
    return (time.perf_counter() - start) * 1000
