"""Finds plugins, loads them, and follows the user's folder while the kernel runs.

There are three kinds. Built-in ones are the entry points of llmos itself and are imported by the
kernel. Packages are the entry points of anyone else, in the group `llmos`. Files are the `*.py`
of the user's folder; one whose name begins with `_` is a helper that others
import. Packages and files are imported in their own workers only.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from watchfiles import awatch

from .errno import LoadError, SyscallError, did_you_mean
from .host import DEFAULT_LIMITS, HostLimits, PluginHost
from .loader import load_module
from .runner import Checked, InKernel
from .table import Entry, Owner, SyscallTable
from .wire import Source

GROUP = "llmos"
OUTSIDE_PLUGINS = "LLMOS_LOAD_PLUGINS"
"""Names of the outside plugins to load, with commas; empty for none, unset for all."""

POLL_MS = 500
LOADS_AT_ONCE = 8
PATIENCE_S = 10.0
"""How long `load` waits for outside plugins; one that takes longer joins when it is ready."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

Signature = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """A line of `plugins`. `error` is why the plugin, or a part of it, is not in use; or ''."""

    name: str
    origin: str
    version: str
    syscalls: tuple[str, ...]
    load_ms: float
    error: str = ""


@dataclass(slots=True)
class _Plugin:
    """Held by the registry. `signature` is of the file that was loaded, to see when it changes."""

    owner: Owner
    version: str = ""
    source: Source | None = None
    signature: Signature | None = None
    host: PluginHost | None = None
    loading: asyncio.Task[None] | None = None
    load_ms: float = 0.0
    error: str = ""
    worked: bool = False  # was in use once, so that breaking it takes calls away


class PluginRegistry:
    """Owns the table's contents and every plugin host; `close` ends them."""

    def __init__(
        self,
        user_dir: Path,
        *,
        limits: HostLimits = DEFAULT_LIMITS,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.table = SyscallTable()
        self.loaded = asyncio.Event()  # `load` is over, and a name that is not there does not exist
        self._user_dir = user_dir.absolute()
        self._limits = limits
        self._plugins: dict[Owner, _Plugin] = {}
        self._builtin_host: PluginHost | None = None
        self._retired: list[PluginHost] = []
        self._closed = False
        wanted = (os.environ if environ is None else environ).get(OUTSIDE_PLUGINS)
        self._wanted = (
            None if wanted is None else [n.strip() for n in wanted.split(",") if n.strip()]
        )
        self._loads = asyncio.Semaphore(LOADS_AT_ONCE)

    async def load(self) -> None:
        """Load all that there is. A plugin that cannot be loaded is a record with its error.

        Back when all are loaded or `PATIENCE_S` is over.
        """
        outside: list[EntryPoint] = []
        builtins: list[EntryPoint] = []
        for point in entry_points(group=GROUP):
            (builtins if _is_ours(point) else outside).append(point)
        self._load_builtins(builtins)
        for point in outside:
            if self._is_wanted(point.name):
                self._load_package(point)
        self._scan()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._settled()
        self.loaded.set()

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
        return [self._record(plugin) for plugin in plugins] + self._missing()

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
            plugin = self._plugins[owner] = _Plugin(owner, _version(point))
            start = time.perf_counter()
            try:
                calls = load_module(point.value, point.name)
            except LoadError as error:
                plugin.error = str(error)
                continue
            finally:
                plugin.load_ms = _since(start)
            loaded.append((owner, calls))
            if not all(call.spec.is_async for call in calls):
                defs.append(Source(plugin=point.name, module=point.value))
        self._builtin_host = host = PluginHost("llmos", defs, self._limits)
        for owner, calls in loaded:
            inside = InKernel(calls, self._limits.max_output)
            outside = Checked(calls, host)
            for call in calls:
                if not call.spec.is_async:
                    host.specs[call.spec.name] = call.spec
            self.table.put(
                owner, [Entry(c.spec, inside if c.spec.is_async else outside) for c in calls]
            )

    def _load_package(self, point: EntryPoint) -> None:
        assert point.dist is not None
        owner = Owner(point.name, f"package {point.dist.name}")
        plugin = self._plugins[owner] = _Plugin(owner, _version(point))
        if point.attr:
            plugin.error = (
                f"the entry point {point.name} names {point.value}: name a module, without :"
            )
            return
        plugin.source = Source(plugin=point.name, module=point.module)
        self._begin(plugin)

    def _scan(self) -> None:
        """Compare the user's folder with what is loaded, and begin what has to be done."""
        found = {
            Owner(path.stem, f"file {path}"): (path, signature)
            for path, signature in _files(self._user_dir).items()
            if self._is_wanted(path.stem)
        }
        known = {owner for owner in self._plugins if owner.origin.startswith("file ")}
        for owner in known - found.keys():
            self._unload(self._plugins.pop(owner))
        for owner, (path, signature) in sorted(found.items(), key=lambda item: str(item[0])):
            plugin = self._plugins.setdefault(owner, _Plugin(owner))
            if plugin.signature != signature:
                plugin.signature = signature
                plugin.source = Source(plugin=path.stem, file=str(path))
                self._begin(plugin)

    # ---- loading and unloading one --------------------------------------------------------

    def _begin(self, plugin: _Plugin) -> None:
        """Load or reload it, on the side: a plugin that is slow to import holds up no other."""
        if self._closed:
            return
        if plugin.loading:
            plugin.loading.cancel()
        plugin.loading = asyncio.create_task(self._load(plugin))

    async def _load(self, plugin: _Plugin) -> None:
        assert plugin.source is not None
        name = plugin.owner.plugin
        host = PluginHost(name, [plugin.source], self._limits)
        start = time.perf_counter()
        try:
            if not _NAME.fullmatch(name):
                raise LoadError(f"a plugin cannot be called {name}: letters, digits, _ and -")
            async with self._loads:
                start = time.perf_counter()
                specs = await host.load()
        except (LoadError, SyscallError) as error:
            plugin.load_ms = _since(start)
            gone = "; its syscalls are gone until it is mended" if plugin.worked else ""
            plugin.error = f"{error}{gone}"
            self._withdraw(plugin)
        except BaseException:
            await host.close()
            raise
        else:
            plugin.load_ms = _since(start)
            plugin.error, plugin.worked = "", True
            old, plugin.host = plugin.host, host
            self.table.put(plugin.owner, [Entry(spec, host) for spec in specs])
            self._retire(old)

    def _unload(self, plugin: _Plugin) -> None:
        if plugin.loading:
            plugin.loading.cancel()
        self._withdraw(plugin)

    def _withdraw(self, plugin: _Plugin) -> None:
        self.table.drop(plugin.owner)
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

    # ---- records --------------------------------------------------------------------------

    def _record(self, plugin: _Plugin) -> PluginRecord:
        errors = [plugin.error] if plugin.error else []
        if not errors and plugin.host is None and plugin.loading and not plugin.loading.done():
            errors = ["it is still being imported"]
        return PluginRecord(
            name=plugin.owner.plugin,
            origin=plugin.owner.origin,
            version=plugin.version,
            syscalls=tuple(self.table.names(plugin.owner)),
            load_ms=round(plugin.load_ms, 1),
            error="; ".join(errors + self.table.errors(plugin.owner)),
        )

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

    def _is_wanted(self, name: str) -> bool:
        return self._wanted is None or name in self._wanted


def _is_ours(point: EntryPoint) -> bool:
    """Built in: an entry point of llmos itself that leads into llmos itself."""
    package = __name__.partition(".")[0]
    ours = point.dist is not None and point.dist.name == package
    return ours and point.module.startswith(f"{package}.plugins.")


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist else ""


def _files(folder: Path) -> dict[Path, Signature]:
    """The plugin files of a folder, with what changes when one of them or a helper is saved."""
    plugins: dict[Path, Signature] = {}
    helpers: Signature = ()
    with suppress(OSError):
        for path in sorted(folder.glob("*.py")):
            with suppress(OSError):
                status = path.stat()
                if path.name.startswith(".") or not stat.S_ISREG(status.st_mode):
                    continue
                one = (status.st_mtime_ns, status.st_size, status.st_ino)
                if path.name.startswith("_"):
                    helpers += one
                else:
                    plugins[path] = one
    return {path: own + helpers for path, own in plugins.items()}


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def _hint(name: str, names: Iterable[str]) -> str:
    hint = did_you_mean(name, names)
    return f" ({hint})" if hint else ""
