"""A file saved in the user's folder is live at once, edited it is reloaded, deleted it is gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llmos.syscalls import Context
from llmos.syscalls.dispatch import Dispatcher
from llmos.syscalls.errno import ENOSYS
from llmos.syscalls.records import PluginRecord
from llmos.syscalls.registry import PluginRegistry


@asynccontextmanager
async def watching(folder: Path) -> AsyncIterator[PluginRegistry]:
    registry = PluginRegistry(folder, environ={"LLMOS_LOAD_PLUGINS": "tide,moon"})
    await registry.load()
    watcher = asyncio.create_task(registry.watch())
    try:
        yield registry
    finally:
        watcher.cancel()
        await asyncio.wait([watcher])
        await registry.close()


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(pid=3, call_id="c1", root=tmp_path)


def save(folder: Path, answer: str, name: str = "tide", extra: str = "") -> Path:
    """As an editor does it: a new file in the old one's place."""
    file = folder / f"{name}.py"
    new = folder / f".{name}.new"
    new.write_text(
        f"from llmos import syscall\n{extra}\n"
        f"@syscall\ndef {name}() -> str:\n    'Tell.'\n    return {answer!r}\n"
    )
    os.replace(new, file)
    return file


async def becomes(true: Callable[[], object], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.02)


def record(registry: PluginRegistry, name: str = "tide") -> PluginRecord | None:
    records = registry.records()
    return next((r for r in records if r.name == name and r.origin.startswith("file ")), None)


async def test_saved_edited_broken_mended_and_deleted(tmp_path: Path, ctx: Context) -> None:
    folder = tmp_path / "later" / "syscalls"  # is made while the kernel runs
    async with watching(folder) as registry:
        call = Dispatcher(registry.table).call
        with pytest.raises(ENOSYS):
            await call("tide", {}, ctx)

        folder.mkdir(parents=True)
        file = save(folder, "high")
        await becomes(lambda: registry.table.find("tide"))
        assert await call("tide", {}, ctx) == "high"

        save(folder, "low", extra="# edited")
        await becomes_answer(registry, ctx, "low")

        file.write_text("import nump\n")
        await becomes(lambda: not registry.table.find("tide"))
        broken = record(registry)
        assert broken is not None
        assert broken.error == (
            "ModuleNotFoundError: No module named 'nump' (tide.py:1);"
            " its syscalls are gone until it is mended"
        )

        save(folder, "ebb")
        await becomes(lambda: registry.table.find("tide"))
        assert await call("tide", {}, ctx) == "ebb"
        mended = record(registry)
        assert mended is not None
        assert mended.error == ""

        file.unlink()
        await becomes(lambda: record(registry) is None)
        with pytest.raises(ENOSYS):
            await call("tide", {}, ctx)


async def becomes_answer(registry: PluginRegistry, ctx: Context, answer: str) -> None:
    call = Dispatcher(registry.table).call
    async with asyncio.timeout(30):
        while await call("tide", {}, ctx) != answer:
            await asyncio.sleep(0.05)


async def test_a_call_in_flight_ends_in_the_old_version(tmp_path: Path, ctx: Context) -> None:
    file = tmp_path / "tide.py"
    text = (
        "import time\nfrom pathlib import Path\nfrom llmos import Context, syscall\n"
        "@syscall\ndef tide(ctx: Context, wait: bool) -> str:\n    'Tell.'\n"
        "    while wait and not Path('go').exists():\n        time.sleep(0.01)\n"
        "    return 'old'\n"
    )
    file.write_text(text)
    async with watching(tmp_path) as registry:
        call = Dispatcher(registry.table).call
        old = asyncio.create_task(call("tide", {"wait": True}, ctx))
        await asyncio.sleep(0.1)
        file.write_text(text.replace("'old'", "'new!'"))
        async with asyncio.timeout(30):
            while await new_answer(call, ctx) != "new!":
                await asyncio.sleep(0.05)
        (tmp_path / "go").touch()
        assert await old == "old"


async def new_answer(call: Callable[..., object], ctx: Context) -> str:
    from llmos.syscalls.errno import EAGAIN

    try:
        return str(await call("tide", {"wait": False}, ctx))  # type: ignore[misc]
    except EAGAIN:  # the file is newer than what is loaded
        return ""


async def test_a_plugin_that_is_slow_to_import_holds_up_no_other(
    tmp_path: Path, ctx: Context
) -> None:
    async with watching(tmp_path) as registry:
        (tmp_path / "moon.py").write_text("while True: pass\n")
        await asyncio.sleep(0.3)
        save(tmp_path, "high")
        await becomes(lambda: registry.table.find("tide"))
        assert await Dispatcher(registry.table).call("tide", {}, ctx) == "high"


async def test_a_helper_that_is_saved_reloads_those_that_import_it(
    tmp_path: Path, ctx: Context
) -> None:
    (tmp_path / "_level.py").write_text("LEVEL = 'high'\n")
    (tmp_path / "tide.py").write_text(
        "from _level import LEVEL\nfrom llmos import syscall\n"
        "@syscall\ndef tide() -> str:\n    'Tell.'\n    return LEVEL\n"
    )
    async with watching(tmp_path) as registry:
        assert await Dispatcher(registry.table).call("tide", {}, ctx) == "high"
        (tmp_path / "_level.py").write_text("LEVEL = 'very low'\n")
        await becomes_answer(registry, ctx, "very low")


async def test_a_folder_that_is_replaced_is_followed(tmp_path: Path, ctx: Context) -> None:
    folder = tmp_path / "syscalls"
    folder.mkdir()
    save(folder, "high")
    async with watching(folder) as registry:
        folder.rename(tmp_path / "old")
        await becomes(lambda: record(registry) is None)
        folder.mkdir()
        save(folder, "low")
        await becomes(lambda: registry.table.find("tide"))
        assert await Dispatcher(registry.table).call("tide", {}, ctx) == "low"


async def test_nothing_is_written_into_the_folder(tmp_path: Path, ctx: Context) -> None:
    save(tmp_path, "high")
    async with watching(tmp_path) as registry:
        await Dispatcher(registry.table).call("tide", {}, ctx)
    assert [path.name for path in tmp_path.iterdir()] == ["tide.py"]
