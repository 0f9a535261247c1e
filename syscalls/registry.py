"""Finds plugins, loads them, and follows the user's folder while the kernel runs.

There are three kinds. Built-in ones are the entry points of llmos itself and are imported by the
kernel. Packages are the entry points of anyone else, in the group `llmos`. Files are the `*.py`
of the user's folder; one whose name begins with `_` is a helper that others
import. Packages and files are imported in their own workers only, and at a boot not even there if
the manifest knows what they bring.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from watchfiles import awatch

from . import discovery
from .desk import no_secrets, secrets_in
from .errno import EINVAL, ENOENT, ENOSYS, LoadError, SyscallError, did_you_mean
from .host import DEFAULT_LIMITS, HostLimits, PluginHost
from .loader import load as load_plugin
from .manifest import KnownVerb, Manifest
from .observers import PluginObservers
from .offers import PROGRAMS, VERBS
from .records import NOTHING, HeldPlugin, PluginRecord, record_of
from .runner import Checked, InKernel
from .settings import Action, SettingsFile
from .table import Entry, Owner, SyscallTable
from .wire import Loaded, Source

OUTSIDE_PLUGINS = "LLMOS_LOAD_PLUGINS"
"""Names of the outside plugins to load, with commas; empty for none, unset for all."""

POLL_MS = 500
LOADS_AT_ONCE = 8
PATIENCE_S = 10.0
"""How long `load` waits for outside plugins; one that takes longer joins when it is ready."""


@dataclass(frozen=True, slots=True)
class PluginFiles:
    """What the registry reads and writes beside plugins; None: nothing of that kind."""

    settings: Path | None = None
    secrets: Path | None = None
    manifest: Path | None = None


class PluginRegistry:
    """Owns the table's contents and every plugin host; `close` ends them."""

    def __init__(
        self,
        user_dir: Path,
        *,
        limits: HostLimits = DEFAULT_LIMITS,
        environ: dict[str, str] | None = None,
        files: PluginFiles = PluginFiles(),
        safe_mode: bool = False,
    ) -> None:
        """In `safe_mode` there are the built-in plugins alone."""
        self.table = SyscallTable()
        self.observers = PluginObservers()
        self.loaded = asyncio.Event()  # `load` is over, and a name that is not there does not exist
        self._user_dir = user_dir.absolute()
        self._limits = limits
        self._settings = SettingsFile(files.settings)
        self._secret_of = secrets_in(files.secrets) if files.secrets else no_secrets
        self._manifest = Manifest(files.manifest)
        self._plugins: dict[Owner, HeldPlugin] = {}
        self._builtins: dict[Owner, list[Entry]] = {}
        self._builtin_host: PluginHost | None = None
        self._retired: list[PluginHost] = []
        self._closed = False
        wanted = (os.environ if environ is None else environ).get(OUTSIDE_PLUGINS)
        self._wanted = (
            None if wanted is None else [n.strip() for n in wanted.split(",") if n.strip()]
        )
        if safe_mode:
            self._wanted = []
        self._loads = asyncio.Semaphore(LOADS_AT_ONCE)

    async def load(self) -> None:
        """Load all that there is. A plugin that cannot be loaded is a record with its error.

        Back when all are loaded or `PATIENCE_S` is over.
        """
        self._manifest.read()
        self._settings.read()
        self.table.obey(self._settings.settings)
        builtins, outside = discovery.packages()
        self._load_builtins(builtins)
        self._load_packages(outside)
        self._scan()
        await self.settled()
        self._changed()
        self.loaded.set()

    async def settled(self) -> None:
        """Until no plugin is being loaded, or `PATIENCE_S` is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._settled()

    def add(self, source: Source) -> None:
        """A plugin from somewhere else than usual, from now on; `settled` waits for it."""
        owner = Owner(source.plugin, f"file {source.file}" if source.file else source.module)
        plugin = self._plugins[owner] = HeldPlugin(owner, source=source)
        plugin.source = source
        self._begin(plugin)

    async def decide(self, action: Action, name: str, value: str = "") -> None:
        """Do what the user has decided, now and at every boot. Raises EINVAL, ENOENT."""
        self._check_decision(action, name)
        self._settings.write(self._settings.settings.after(action, name, value))
        if action == "enable":
            self._load_packages(discovery.packages()[1])  # it may have been installed just now
        self._obey()
        await self.settled()
        self._changed()

    def _check_decision(self, action: Action, name: str) -> None:
        names = [self.table.name_of(owner) for owner in self._plugins]
        if action in ("enable", "disable"):
            if action == "enable" and name in self._settings.settings.disabled:
                return
            known = [*names, *(point.name for point in discovery.packages()[1])]
            if name not in known:
                raise ENOENT(f"there is no plugin {name}", hint=did_you_mean(name, known))
            return
        origins = [owner.origin for owner in self._plugins]
        if action == "alias" and (name in origins or name in self._settings.settings.alias):
            return
        spec = self.table.find(name) if "." in name else None
        if spec is None:
            raise EINVAL(
                f"{name!r} is no syscall of a plugin's, as acme.grep",
                hint=self.table.suggestion(name),
            )
        if action == "approve" and not spec.approve:
            raise EINVAL(f"{name} need not be approved")

    def offered(self, hook: str) -> list[str]:
        """What plugins in use offer by a hook, as `acme.twice`."""
        return sorted(
            f"{self.table.name_of(plugin.owner)}.{offer.name}"
            for plugin in self._in_use()
            for offer in plugin.offers(hook)
        )

    def program(self, name: str) -> tuple[PluginHost, str]:
        """Who runs a program, `twice` or `acme.twice`, and by which name. Raises ENOSYS."""
        known: dict[str, tuple[PluginHost, str]] = {}
        for plugin in self._in_use():
            for offer in plugin.offers(PROGRAMS):
                if plugin.host is not None:
                    qualified = f"{self.table.name_of(plugin.owner)}.{offer.name}"
                    known[qualified] = plugin.host, offer.name
        found = [one for one in known if name in (one, known[one][1])]
        if len(found) > 1:
            raise ENOSYS(f"which {name}?", hint=f"there are {' and '.join(sorted(found))}")
        if not found:
            raise ENOSYS(f"there is no program {name!r}", hint=did_you_mean(name, known))
        return known[found[0]]

    async def watch(self) -> None:
        """Keep up with the user's folder until cancelled; it need not exist yet."""
        while True:
            self._scan()
            with suppress(OSError, RuntimeError):  # no folder, or no watches left: then by polling
                # A scan at every tick, too: a watch ends unseen when its folder is replaced.
                async for _ in awatch(
                    self._user_dir,
                    recursive=False,
                    debounce=100,
                    step=20,
                    rust_timeout=POLL_MS,
                    yield_on_timeout=True,
                ):
                    self._scan()
                    if not self._user_dir.is_dir():
                        break
            await asyncio.sleep(POLL_MS / 1000)

    def records(self) -> list[PluginRecord]:
        """Every plugin that was found, the built-in ones first, then by name."""
        plugins = sorted(
            self._plugins.values(),
            key=lambda p: (not p.owner.builtin, p.owner.plugin, p.owner.origin),
        )
        in_use = list(self._in_use())
        records = [record_of(plugin, self.table, in_use) for plugin in plugins]
        return [*records, *self._missing(), *self._settings_record()]

    def _missing(self) -> list[PluginRecord]:
        """Plugins that `LLMOS_LOAD_PLUGINS` names and that are nowhere."""
        names = {owner.plugin for owner in self._plugins}
        missing = [name for name in self._wanted or () if name not in names]
        return [
            PluginRecord(
                name=name,
                origin=OUTSIDE_PLUGINS,
                version="",
                syscalls=(),
                load_ms=0.0,
                error=f"no plugin {name} is installed" + _hint(name, names),
            )
            for name in missing
        ]

    def _settings_record(self) -> list[PluginRecord]:
        """What is wrong with what the user has decided."""
        path = self._settings.path
        if path is None or not self._settings.error:
            return []
        return [PluginRecord(path.name, "settings", "", (), 0.0, self._settings.error)]

    async def close(self) -> None:
        """End every worker."""
        self._closed = True
        for plugin in self._plugins.values():
            if plugin.loading:
                plugin.loading.cancel()
        await self._settled()
        hosts = [plugin.host for plugin in self._plugins.values()]
        hosts += [self._builtin_host, *self._retired]
        await asyncio.gather(*(host.close() for host in hosts if host))

    # ---- the three kinds ------------------------------------------------------------------

    def _load_builtins(self, points: Iterable[EntryPoint]) -> None:
        defs = []
        loaded = []
        for point in sorted(points, key=lambda point: point.name):
            owner = Owner(point.name, "built-in", builtin=True)
            plugin = self._plugins[owner] = HeldPlugin(owner, discovery.version_of(point))
            plugin.enabled = point.name not in self._settings.settings.disabled
            source = Source(plugin=point.name, module=point.value)
            start = time.perf_counter()
            try:
                calls = load_plugin(source).calls
            except LoadError as error:
                plugin.error = str(error)
                continue
            finally:
                plugin.load_ms = _since(start)
            loaded.append((plugin, calls))
            if not all(call.spec.is_async for call in calls):
                defs.append(source)
        self._builtin_host = host = PluginHost("llmos", defs, self._limits)
        for plugin, calls in loaded:
            inside = InKernel(calls, self._limits.max_output, self._secret_of)
            outside = Checked(calls, host)
            for call in calls:
                if not call.spec.is_async:
                    host.specs[call.spec.name] = call.spec
            plugin.loaded = Loaded(specs=tuple(call.spec for call in calls))
            entries = [Entry(c.spec, inside if c.spec.is_async else outside) for c in calls]
            self._builtins[plugin.owner] = entries
            if plugin.enabled:
                self.table.put(plugin.owner, entries)

    def _load_packages(self, points: Iterable[EntryPoint]) -> None:
        """Those that are wanted and not there yet."""
        for point in points:
            assert point.dist is not None
            owner = Owner(point.name, f"package {point.dist.name}")
            if owner in self._plugins or not self._is_wanted(point.name):
                continue
            plugin = self._plugins[owner] = HeldPlugin(owner, discovery.version_of(point))
            if point.attr:
                plugin.error = (
                    f"the entry point {point.name} names {point.value}: name a module, without :"
                )
                continue
            plugin.source = Source(plugin=point.name, module=point.module)
            self._begin(plugin, remembered=True)

    def _scan(self) -> None:
        """Compare the user's folder with what is loaded, and begin what has to be done."""
        if self._settings.read():
            self._obey()
        found = {
            Owner(path.stem, f"file {path}"): (path, signature)
            for path, signature in discovery.files(self._user_dir).items()
            if self._is_wanted(path.stem)
        }
        known = {owner for owner, plugin in self._plugins.items() if plugin.signature is not None}
        gone = known - found.keys()
        for owner in gone:
            self._unload(self._plugins.pop(owner))
        for owner, (path, signature) in sorted(found.items(), key=lambda item: str(item[0])):
            plugin = self._plugins.setdefault(owner, HeldPlugin(owner))
            if plugin.signature != signature:
                first = plugin.signature is None
                plugin.signature = signature
                plugin.source = Source(plugin=path.stem, file=str(path))
                self._begin(plugin, remembered=first)
        if gone:
            self._changed()

    def _obey(self) -> None:
        """What the user has decided, of plugins that are there."""
        self.table.obey(self._settings.settings)
        for plugin in list(self._plugins.values()):
            wanted = self._is_enabled(plugin)
            if plugin.enabled == wanted:
                continue
            plugin.enabled = wanted
            if plugin.owner.builtin:
                if wanted:
                    self.table.put(plugin.owner, self._builtins.get(plugin.owner, ()))
                else:
                    self.table.drop(plugin.owner)
            elif wanted and plugin.source:
                self._begin(plugin, remembered=True)
            else:
                self._unload(plugin)
        self._changed()

    def _is_enabled(self, plugin: HeldPlugin) -> bool:
        disabled = self._settings.settings.disabled
        return self.table.name_of(plugin.owner) not in disabled

    # ---- loading and unloading one --------------------------------------------------------

    def _begin(self, plugin: HeldPlugin, *, remembered: bool = False) -> None:
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

    def _host(self, plugin: HeldPlugin) -> PluginHost:
        assert plugin.source is not None

        def reload() -> None:
            if self._plugins.get(plugin.owner) is plugin and plugin.host is host:
                self._begin(plugin)

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
            plugin.load_ms = _since(start)
            gone = "; its syscalls are gone until it is mended" if plugin.worked else ""
            plugin.error = f"{error}{gone}"
            self._manifest.forget(plugin.source)
            self._withdraw(plugin)
        except BaseException:
            await host.close()
            raise
        else:
            plugin.load_ms = _since(start)
            self._manifest.learn(plugin.source, plugin.version, loaded, round(plugin.load_ms, 1))
            self._use(plugin, host, loaded)
        if self.loaded.is_set():
            self._changed()

    def _use(self, plugin: HeldPlugin, host: PluginHost, loaded: Loaded) -> None:
        plugin.error, plugin.worked, plugin.loaded = "", True, loaded
        old, plugin.host = plugin.host, host
        self.table.put(plugin.owner, [Entry(spec, host) for spec in loaded.specs])
        self._retire(old)

    def _unload(self, plugin: HeldPlugin) -> None:
        if plugin.loading:
            plugin.loading.cancel()
        plugin.error = ""
        self._withdraw(plugin)

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

    async def _settled(self) -> None:
        """Until no plugin is being loaded."""
        while loading := [
            p.loading for p in self._plugins.values() if p.loading and not p.loading.done()
        ]:
            await asyncio.wait(loading)

    def _changed(self) -> None:
        """What plugins bring beside syscalls may be another than before."""
        self.observers.are(
            [(one.host, one.loaded.hooks) for one in self._in_use() if one.host is not None]
        )
        self._manifest.write(self._verbs())

    def _in_use(self) -> Iterator[HeldPlugin]:
        """Without those whose name another one has as well."""
        for plugin in self._plugins.values():
            if plugin.host is not None and not self.table.is_refused(plugin.owner):
                yield plugin

    def _verbs(self) -> dict[str, KnownVerb]:
        """Those that one plugin alone offers."""
        found: dict[str, list[KnownVerb]] = {}
        for plugin in self._in_use():
            for offer in plugin.offers(VERBS):
                if plugin.source is not None:
                    verb = KnownVerb(summary=offer.summary, source=plugin.source)
                    found.setdefault(offer.name, []).append(verb)
        return {name: verbs[0] for name, verbs in sorted(found.items()) if len(verbs) == 1}

    def _is_wanted(self, name: str) -> bool:
        return self._wanted is None or name in self._wanted


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def _hint(name: str, names: Iterable[str]) -> str:
    hint = did_you_mean(name, names)
    return f" ({hint})" if hint else ""
