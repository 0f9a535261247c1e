"""The built-in plugins: imported by the kernel, so that they are there from the first moment. Their
`def` syscalls run in workers that all of them share."""

from __future__ import annotations

import time
from collections.abc import Iterable
from importlib.metadata import EntryPoint

from . import discovery
from .desk import SecretOf
from .errno import LoadError
from .held import HeldPlugins, ms_since
from .host import HostLimits, PluginHost
from .loader import load as load_plugin
from .records import HeldPlugin
from .runner import Checked, InKernel
from .table import Entry, Owner
from .wire import Loaded, Source


def load(
    points: Iterable[EntryPoint],
    held: HeldPlugins,
    disabled: Iterable[str],
    limits: HostLimits,
    secret_of: SecretOf,
) -> PluginHost:
    """Import them, and put into the table the syscalls of those that are not disabled. The host of
    all of them is the caller's to close."""
    defs = []
    loaded = []
    for point in sorted(points, key=lambda point: point.name):
        owner = Owner(point.name, "built-in", builtin=True)
        plugin = held.all[owner] = HeldPlugin(owner, discovery.version_of(point))
        plugin.enabled = point.name not in disabled
        source = Source(plugin=point.name, module=point.value)
        start = time.perf_counter()
        try:
            calls = load_plugin(source).calls
        except LoadError as error:
            plugin.error = str(error)
            continue
        finally:
            plugin.load_ms = ms_since(start)
        loaded.append((plugin, calls))
        if not all(call.spec.is_async for call in calls):
            defs.append(source)
    host = PluginHost("llmos", defs, limits)
    for plugin, calls in loaded:
        inside = InKernel(calls, limits.max_output, secret_of)
        outside = Checked(calls, host)
        for call in calls:
            if not call.spec.is_async:
                host.specs[call.spec.name] = call.spec
        plugin.loaded = Loaded(specs=tuple(call.spec for call in calls))
        plugin.entries = tuple(Entry(c.spec, inside if c.spec.is_async else outside) for c in calls)
        if plugin.enabled:
            held.table.put(plugin.owner, plugin.entries)
    return host
