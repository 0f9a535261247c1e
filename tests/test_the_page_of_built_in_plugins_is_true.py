"""docs/plugins-built-in.md names every built-in syscall, and the numbers are those of the code."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llmos.kernel.side_by_side import MOST
from llmos.plugins import http_get, sql, undo, web
from llmos.syscalls.loader import load_file
from llmos.syscalls.registry import PluginRegistry
from llmos.syscalls.sandbox import Bounds
from llmos.syscalls.sandbox.box import MAX_FILE
from llmos.syscalls.sandbox.supervisor import LOOK_EVERY_S

PAGE = (Path(__file__).parent.parent / "docs" / "plugins-built-in.md").read_text()
TEXT = " ".join(PAGE.split())


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[PluginRegistry]:
    registry = PluginRegistry(tmp_path, environ={"LLMOS_LOAD_PLUGINS": ""})
    await registry.load()
    yield registry
    await registry.close()


async def test_every_syscall_is_in_the_table(registry: PluginRegistry) -> None:
    rows = re.findall(r"^\| (\w+) \| ([^|]*) \|[^|]*\|$", PAGE, re.MULTILINE)
    shown = {plugin: set(calls.split(", ")) for plugin, calls in rows if plugin != "plugin"}
    shown = {plugin: calls for plugin, calls in shown.items() if plugin in _plugins(registry)}
    there: dict[str, set[str]] = {}
    for spec in registry.table.specs():
        name = f"**{spec.name}**" if spec.listed else spec.name
        there.setdefault(spec.plugin, set()).add(name)
    assert shown == there


def _plugins(registry: PluginRegistry) -> set[str]:
    return {record.name for record in registry.records()}


async def test_every_one_says_what_it_takes(registry: PluginRegistry) -> None:
    """A model reads the first paragraph, and of a new one's arguments what is said to each."""
    for spec in registry.table.specs():
        assert spec.summary.endswith((".", ":")) or "." in spec.summary, spec.name
        assert len(spec.summary) < 200, spec.name


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"run side by side, up to {MOST}," in TEXT
    assert f"the last of up to {undo.MAX_WRITES} changes" in TEXT
    assert f"At most {web.MAX_TEXT_BYTES >> 20} MiB of a text" in TEXT
    assert f"{web.MAX_DOWNLOAD_BYTES >> 20} MiB of a file" in TEXT
    assert http_get.MAX_REDIRECTS == 5 and web.TIMEOUT_S == 20
    assert f"{sql.MAX_ROWS:,} rows".replace(",", " ") in TEXT and sql.MAX_SQLITE_ROWS == 10**6
    assert f"{Bounds().max_processes} processes" in TEXT and LOOK_EVERY_S == 1 / 50
    assert f"Files may have {MAX_FILE >> 20} MiB each" in TEXT


def test_the_example_of_a_batch_works(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "dictionary.py"
    server = "def ask_the_server(words):\n    return {word: word.upper() for word in words}\n"
    path.write_text(f"{source}\n\n{server}")
    (call,) = load_file(path, "dictionary")
    assert call.spec.batch and call.spec.parallel and call.function("owl") == "OWL"
    assert call.batch is not None and call.batch([{"word": "a"}, {"word": "b"}]) == ["A", "B"]
