"""The user's folder of one-file plugins, followed while the kernel runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from watchfiles import awatch

from . import discovery
from .held import HeldPlugins
from .records import HeldPlugin
from .table import Owner
from .wire import Source

POLL_MS = 500


class PluginFolder:
    """Need not exist yet. Files whose name `is_wanted` refuses are passed over."""

    def __init__(self, path: Path, held: HeldPlugins, is_wanted: Callable[[str], bool]) -> None:
        self._path = path.absolute()
        self._held = held
        self._is_wanted = is_wanted

    def scan(self) -> None:
        """Compare the folder with what is loaded, and begin what has to be done."""
        held = self._held
        found = {
            Owner(path.stem, f"file {path}"): (path, signature)
            for path, signature in discovery.files(self._path).items()
            if self._is_wanted(path.stem)
        }
        known = {owner for owner, plugin in held.all.items() if plugin.signature is not None}
        gone = known - found.keys()
        for owner in gone:
            held.unload(held.all.pop(owner))
        for owner, (path, signature) in sorted(found.items(), key=lambda item: str(item[0])):
            plugin = held.all.setdefault(owner, HeldPlugin(owner))
            if plugin.signature != signature:
                first = plugin.signature is None
                plugin.signature = signature
                plugin.source = Source(plugin=path.stem, file=str(path))
                held.begin(plugin, remembered=first)
        if gone:
            held.changed()

    async def watch(self, look: Callable[[], None]) -> None:
        """Call `look` whenever the folder may have changed, until cancelled."""
        while True:
            look()
            with suppress(OSError, RuntimeError):  # no folder, or no watches left: then by polling
                # A look at every tick, too: a watch ends unseen when its folder is replaced.
                async for _ in awatch(
                    self._path,
                    recursive=False,
                    debounce=100,
                    step=20,
                    rust_timeout=POLL_MS,
                    yield_on_timeout=True,
                ):
                    look()
                    if not self._path.is_dir():
                        break
            await asyncio.sleep(POLL_MS / 1000)
