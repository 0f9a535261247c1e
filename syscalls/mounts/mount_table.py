"""The mount table: what the files mount, kept up with while they change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errno import ENOENT, did_you_mean
from ..host import DEFAULT_LIMITS, HostLimits
from ..records import PluginRecord
from ..table import Owner, SyscallTable
from . import settings
from .approvals import Approvals
from .mounted import Mounted, Tool
from .settings import ConfigFile, Mistake, Mount

POLL_S = 0.5
PATIENCE_S = 10.0
"""How long `load` waits for servers that were never seen before."""


@dataclass(slots=True)
class _Row:
    owner: Owner
    mounted: Mounted
    following: asyncio.Task[None]


class MountTable:
    """Owns every mount; puts their syscalls into the syscall table, as plugins' are."""

    def __init__(
        self,
        table: SyscallTable,
        files: Sequence[ConfigFile],
        approvals: Path,
        limits: HostLimits = DEFAULT_LIMITS,
    ) -> None:
        self.loaded = asyncio.Event()
        self._table = table
        self._files = tuple(files)
        self._approvals_file = approvals
        self._approvals: Approvals | None = None
        self._limits = limits
        self._rows: dict[str, _Row] = {}
        self._mistakes: list[Mistake] = []
        self._seen: object = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Mount all that the files name. Back when it is known what they offer, or
        `PATIENCE_S` is over; what was approved before is known at once."""
        self._scan()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                for row in list(self._rows.values()):
                    await row.mounted.known.wait()
        self.loaded.set()

    async def watch(self) -> None:
        """Keep up with the files until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            self._scan()

    async def close(self) -> None:
        """End every bridge."""
        rows, self._rows = list(self._rows.values()), {}
        for row in rows:
            row.following.cancel()
        await asyncio.gather(
            *(row.following for row in rows), *self._leaving, return_exceptions=True
        )

    # ---- what there is --------------------------------------------------------------------

    @property
    def mounts(self) -> list[Mounted]:
        """By name."""
        return [self._rows[name].mounted for name in sorted(self._rows)]

    @property
    def mistakes(self) -> list[Mistake]:
        return list(self._mistakes)

    def find(self, name: str) -> Mounted:
        """Raises ENOENT."""
        if name in self._rows:
            return self._rows[name].mounted
        hint = did_you_mean(name, self._rows) or "llmos mcp list shows all"
        raise ENOENT(f"nothing is mounted as {name}", hint=hint)

    def approve(self, name: str) -> list[Tool]:
        """Agree to what it offers, or to its being run. Raises EAGAIN, ENOENT, OSError."""
        return self.find(name).approve()

    def records(self) -> list[PluginRecord]:
        """Every mount as a plugin, by name."""
        records = [self._record(self._rows[name]) for name in sorted(self._rows)]
        return records + [
            PluginRecord(
                name=mistake.name,
                origin=mistake.origin,
                version="",
                syscalls=(),
                load_ms=0.0,
                error=mistake.error,
            )
            for mistake in self._mistakes
        ]

    def _record(self, row: _Row) -> PluginRecord:
        errors = [row.mounted.error, *self._table.errors(row.owner)]
        return PluginRecord(
            name=row.owner.plugin,
            origin=row.owner.origin,
            version="",
            syscalls=tuple(self._table.names(row.owner)),
            load_ms=round(row.mounted.load_ms, 1),
            error="; ".join(filter(None, errors)),
        )

    # ---- the files ------------------------------------------------------------------------

    def _scan(self) -> None:
        """Read the files if they have changed, and begin what has to be done."""
        seen = [_signature(file.path) for file in self._files]
        if seen == self._seen:
            return
        self._seen = seen
        mounts, self._mistakes = settings.read(self._files)
        wanted = {mount.name: mount for mount in mounts}
        for name, row in list(self._rows.items()):
            if wanted.get(name) != row.mounted.mount:
                self._unmount(self._rows.pop(name))
        for name, mount in wanted.items():
            if name not in self._rows:
                self._rows[name] = self._mount(mount)

    def _mount(self, mount: Mount) -> _Row:
        if self._approvals is None:
            self._approvals = Approvals(self._approvals_file)
        owner = Owner(mount.name, f"{mount.kind} {mount.origin}")

        def publish(mounted: Mounted) -> None:
            row = self._rows.get(mount.name)
            if row is not None and row.mounted is mounted:  # and no other has its name by now
                self._table.put(owner, mounted.entries())

        mounted = Mounted(mount, self._approvals, publish, self._limits)
        following = asyncio.create_task(mounted.follow(), name=f"mount {mount.name}")
        row = _Row(owner, mounted, following)
        self._table.put(owner, mounted.entries())
        return row

    def _unmount(self, row: _Row) -> None:
        self._table.drop(row.owner)
        row.following.cancel()
        self._leaving.add(row.following)
        row.following.add_done_callback(self._leaving.discard)


def _signature(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return (status.st_mtime_ns, status.st_size, status.st_ino)
