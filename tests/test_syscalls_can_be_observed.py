"""Whoever traces sees every call before and after it, and cannot break one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llmos.syscalls import Context
from llmos.syscalls.dispatch import Dispatcher, Observer, Trap
from llmos.syscalls.errno import EINVAL, ENOSYS
from llmos.syscalls.registry import PluginRegistry


class Trace(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def before(self, trap: Trap) -> None:
        self.lines.append(f"{trap.ctx.pid} {trap.spec.name}({dict(trap.arguments)})")

    def after(self, trap: Trap, text: str) -> None:
        self.lines.append(f"= {text}")

    def on_error(self, trap: Trap, error: BaseException) -> None:
        self.lines.append(f"! {type(error).__name__}")


class Clumsy(Observer):
    def before(self, trap: Trap) -> None:
        raise RuntimeError("dropped it")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[PluginRegistry]:
    registry = PluginRegistry(tmp_path, environ={"LLMOS_LOAD_PLUGINS": ""})
    await registry.load()
    yield registry
    await registry.close()


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(pid=3, call_id="c1", root=tmp_path)


async def test_calls_results_and_errors_are_seen(registry: PluginRegistry, ctx: Context) -> None:
    trace = Trace()
    dispatcher = Dispatcher(registry.table, [Clumsy(), trace])
    await dispatcher.call("calculate", '{"expression": "6*7"}', ctx)
    with pytest.raises(EINVAL):
        await dispatcher.call("calculate", {"expression": "6*"}, ctx)
    with pytest.raises(ENOSYS):
        await dispatcher.call("calc", {}, ctx)  # is no call of anything
    assert trace.lines == [
        "3 calculate({'expression': '6*7'})",
        "= 42",
        "3 calculate({'expression': '6*'})",
        "! EINVAL",
    ]


async def test_a_cancelled_call_is_seen(registry: PluginRegistry, ctx: Context) -> None:
    trace = Trace()
    dispatcher = Dispatcher(registry.table, [trace])
    call = asyncio.create_task(dispatcher.call("calculate", {"expression": "1"}, ctx))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    assert trace.lines[1:] == ["! CancelledError"]
