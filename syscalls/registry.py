"""Finds plugins, has them loaded, and follows the user's folder while the kernel runs.

There are three kinds. Built-in ones are the entry points of llmos itself and are imported by the
kernel (`built_in.py`). Packages are the entry points of anyone else, in the group `llmos`. Files
are the `*.py` of the user's folder (`folder.py`); one whose name begins with `_` is a helper that
others import. Packages and files are imported in their own workers only, and at a boot not even
there if the manifest knows what they bring (`held.py`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from . import built_in, decisions, discovery
from .desk import no_secrets, secrets_in
from .errno import did_you_mean
from .folder import PluginFolder
from .held import HeldPlugins
from .host import DEFAULT_LIMITS, HostLimits, PluginHost
from .manifest import Manifest
from .records import HeldPlugin, PluginRecord, record_of
from .settings import Action, SettingsFile
from .table import Owner
from .wire import Source

OUTSIDE_PLUGINS = "LLMOS_LOAD_PLUGINS"
"""Names of the outside plugins to load, with commas; empty for none, unset for all."""

PATIENCE_S = 10.0
"""How long `load` waits for outside plugins; one that takes longer joins when it is ready."""


@dataclass(frozen=True, slots=True)
class PluginFiles:
    """What the registry reads and writes beside plugins; None: nothing of that kind."""

    settings: Path | None = None
    secrets: Path | None = None
    manifest: Path | None = None


class PluginRegistry:
    """All plugins of a kernel; `close` ends their workers."""

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
        self._limits = limits
        self._settings = SettingsFile(files.settings)
        self._secret_of = secrets_in(files.secrets) if files.secrets else no_secrets
        self._manifest = Manifest(files.manifest)
        self._held = HeldPlugins(self._manifest, self._settings, limits, self._secret_of)
        self._folder = PluginFolder(user_dir, self._held, self._is_wanted)
        self._built_in_host: PluginHost | None = None
        wanted = (os.environ if environ is None else environ).get(OUTSIDE_PLUGINS)
        self._wanted = (
            None if wanted is None else [n.strip() for n in wanted.split(",") if n.strip()]
        )
        if safe_mode:
            self._wanted = []
        self.table = self._held.table
        self.observers = self._held.observers
        self.loaded = self._held.loaded  # `load` is over: a name that is not there does not exist

    async def load(self) -> None:
        """Load all that there is. A plugin that cannot be loaded is a record with its error.

        Back when all are loaded or `PATIENCE_S` is over.
        """
        self._manifest.read()
        self._settings.read()
        self.table.obey(self._settings.settings)
        builtins, outside = discovery.packages()
        self._built_in_host = built_in.load(
            builtins,
            self._held,
            self._settings.settings.disabled,
            self._limits,
            self._secret_of,
        )
        self._load_packages(outside)
        self._scan()
        await self.settled()
        self._held.changed()
        self.loaded.set()

    async def settled(self) -> None:
        """Until no plugin is being loaded, or `PATIENCE_S` is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._held.settled()

    def add(self, source: Source) -> None:
        """A plugin from somewhere else than usual, from now on; `settled` waits for it."""
        owner = Owner(source.plugin, f"file {source.file}" if source.file else source.module)
        plugin = self._held.all[owner] = HeldPlugin(owner, source=source)
        plugin.source = source
        self._held.begin(plugin)

    async def decide(self, action: Action, name: str, value: str = "") -> None:
        """Do what the user has decided, now and at every boot. Raises EINVAL, ENOENT."""
        settings = self._settings.settings
        decisions.check(action, name, settings, self._held.all, self.table)
        self._settings.write(settings.after(action, name, value))
        if action == "enable":
            self._load_packages(discovery.packages()[1])  # it may have been installed just now
        self._held.obey()
        await self.settled()
        self._held.changed()

    def offered(self, hook: str) -> list[str]:
        """What plugins in use offer by a hook, as `acme.twice`."""
        return self._held.in_use.offered(hook)

    def program(self, name: str) -> tuple[PluginHost, str]:
        """Who runs a program, `twice` or `acme.twice`, and by which name. Raises ENOSYS."""
        return self._held.in_use.program(name)

    async def watch(self) -> None:
        """Keep up with the user's folder until cancelled; it need not exist yet."""
        await self._folder.watch(self._scan)

    def records(self) -> list[PluginRecord]:
        """Every plugin that was found, the built-in ones first, then by name."""
        plugins = sorted(
            self._held.all.values(),
            key=lambda p: (not p.owner.builtin, p.owner.plugin, p.owner.origin),
        )
        in_use = list(self._held.in_use)
        records = [record_of(plugin, self.table, in_use) for plugin in plugins]
        return [*records, *self._missing(), *self._settings_record()]

    def _missing(self) -> list[PluginRecord]:
        """Plugins that `LLMOS_LOAD_PLUGINS` names and that are nowhere."""
        names = {owner.plugin for owner in self._held.all}
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
        closing = [self._held.close()]
        if self._built_in_host:
            closing.append(self._built_in_host.close())
        await asyncio.gather(*closing)

    def _load_packages(self, points: Iterable[EntryPoint]) -> None:
        """Those that are wanted and not there yet."""
        for point in points:
            assert point.dist is not None
            owner = Owner(point.name, f"package {point.dist.name}")
            if owner in self._held.all or not self._is_wanted(point.name):
                continue
            plugin = self._held.all[owner] = HeldPlugin(owner, discovery.version_of(point))
            if point.attr:
                plugin.error = (
                    f"the entry point {point.name} names {point.value}: name a module, without :"
                )
                continue
            plugin.source = Source(plugin=point.name, module=point.module)
            self._held.begin(plugin, remembered=True)

    def _scan(self) -> None:
        """What has changed in the folder, and in the file of what the user has decided."""
        if self._settings.read():
            self._held.obey()
        self._folder.scan()

    def _is_wanted(self, name: str) -> bool:
        return self._wanted is None or name in self._wanted


def _hint(name: str, names: Iterable[str]) -> str:
    hint = did_you_mean(name, names)
    return f" ({hint})" if hint else ""
