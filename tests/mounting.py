"""A mount table over a settings file of a test's own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from llmos.syscalls import Context
from llmos.syscalls.dispatch import Dispatcher
from llmos.syscalls.mounts.mount_table import MountTable
from llmos.syscalls.mounts.mounted import Mounted
from llmos.syscalls.mounts.settings import ConfigFile
from llmos.syscalls.table import SyscallTable

WAYWARD = Path(__file__).parent / "wayward.py"


class Mounts:
    """As much of a kernel as mounts need."""

    def __init__(self, folder: Path, *, trusted: bool = True) -> None:
        self.folder = folder
        self.file = folder / "mcp.json"
        self.syscalls = SyscallTable()
        self.table = MountTable(
            self.syscalls, [ConfigFile(self.file, trusted)], folder / "approvals.json"
        )
        self._dispatcher = Dispatcher(self.syscalls)

    async def call(self, syscall: str, /, timeout_s: float | None = None, **arguments: Any) -> str:
        ctx = Context(pid=3, call_id="c1", root=self.folder)
        return await self._dispatcher.call(syscall, arguments, ctx, timeout_s)

    def mounted(self, name: str = "far") -> Mounted:
        return self.table.find(name)


def wayward(folder: Path, **more: Any) -> dict[str, Any]:
    """The settings of a wayward server, whose files are in `folder`."""
    folder.mkdir(exist_ok=True)
    return {"command": sys.executable, "args": [str(WAYWARD), str(folder)], **more}


def write(file: Path, content: dict[str, Any]) -> None:
    """As an editor does it: a new file in the old one's place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(content))
    os.replace(new, file)


@asynccontextmanager
async def mounting(
    folder: Path, servers: dict[str, Any] | None = None, *, trusted: bool = True
) -> AsyncIterator[Mounts]:
    """Mount these; None leaves the settings as they are."""
    if servers is not None:
        write(folder / "mcp.json", {"mcpServers": servers})
    mounts = Mounts(folder, trusted=trusted)
    await mounts.table.load()
    watching = asyncio.create_task(mounts.table.watch())
    try:
        yield mounts
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await mounts.table.close()


async def becomes(true: Callable[[], object], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    """A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
