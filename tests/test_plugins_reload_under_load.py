"""A plugin that is edited while many call it: no call is lost, none is answered by half a version,
and in the end all are answered by the last."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from llmos.syscalls import Context
from llmos.syscalls.dispatch import Dispatcher
from llmos.syscalls.errno import EAGAIN
from llmos.syscalls.registry import PluginRegistry

CALLERS = 12
VERSIONS = 5


def save(folder: Path, version: int) -> None:
    """Two syscalls, of a helper and a plugin, which must be of one version."""
    new = folder / ".tide.new"
    new.write_text(
        "import asyncio, time\nfrom llmos import syscall\n"
        f"VERSION = {version}\n"
        "@syscall\ndef tide(s: float) -> str:\n    'Tell.'\n"
        f"    time.sleep(s)\n    return f'{version} {{VERSION}}'\n"
        "@syscall\nasync def tide_async(s: float) -> str:\n    'Tell.'\n"
        f"    await asyncio.sleep(s)\n    return f'{version} {{VERSION}}'\n"
    )
    os.replace(new, folder / "tide.py")


async def test_no_call_is_lost_and_none_is_half_new(tmp_path: Path) -> None:
    save(tmp_path, 0)
    registry = PluginRegistry(tmp_path, environ={"LLMOS_LOAD_PLUGINS": "tide"})
    await registry.load()
    watcher = asyncio.create_task(registry.watch())
    call = Dispatcher(registry.table).call
    answers: list[int] = []
    over = asyncio.Event()

    async def keep_calling(number: int) -> None:
        name = "tide_async" if number % 2 else "tide"
        while not over.is_set():
            ctx = Context(pid=number, call_id=f"{number}", root=tmp_path)
            try:
                said = await call(name, {"s": 0.002 * (number % 3)}, ctx)
            except EAGAIN as error:  # it is newer on disk than what is loaded
                assert "has changed on disk" in error.message
                continue
            first, second = said.split()
            assert first == second
            answers.append(int(first))

    callers = [asyncio.create_task(keep_calling(number)) for number in range(CALLERS)]
    for version in range(1, VERSIONS + 1):
        save(tmp_path, version)
        async with asyncio.timeout(60):
            while version not in answers[-CALLERS:]:
                done = [one for one in callers if one.done()]
                assert not done, done[0].exception()
                await asyncio.sleep(0.01)
    over.set()
    await asyncio.gather(*callers)
    ctx = Context(pid=3, call_id="c1", root=tmp_path)
    assert await call("tide", {"s": 0}, ctx) == f"{VERSIONS} {VERSIONS}"
    assert set(answers) == set(range(VERSIONS + 1))
    watcher.cancel()
    await registry.close()
