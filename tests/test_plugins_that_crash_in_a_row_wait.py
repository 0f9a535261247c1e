"""A plugin that crashes comes back at once; one that does so again and again, later and later. What
it eats and what it tells is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llmos.kernel.testing import TestKernel
from llmos.syscalls import Context
from llmos.syscalls.errno import EAGAIN, EIO, ENOMEM, ETIME
from llmos.syscalls.host import HostLimits, PluginHost
from llmos.syscalls.patience import FIRST_S, LONGEST_S, Backoff
from llmos.syscalls.wire import Source
from llmos.trace import virtual_time

PLUGIN = '''
import os, time
from pathlib import Path
from llmos import Context, syscall

@syscall
def crash() -> None:
    """Crash."""
    os._exit(9)

@syscall
def echo(text: str) -> str:
    """Say it again."""
    return text

@syscall
def eat(mebibytes: int) -> int:
    """Hold so much memory."""
    return len(bytearray(mebibytes << 20)) >> 20

@syscall
def chatter(ctx: Context, times: int) -> str:
    """Tell the same again and again."""
    for _ in range(times):
        ctx.progress("x" * 5000)
    return "told"

@syscall(timeout=0.3)
def tidies(ctx: Context) -> None:
    """Notice that the time is over, and tidy up."""
    while not ctx.cancelled:
        time.sleep(0.005)
    Path("tidied").touch()

@syscall(timeout=0.3)
def pretends(ctx: Context) -> None:
    """Look, and go on."""
    while True:
        ctx.cancelled
        time.sleep(0.005)
'''


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[PluginHost]:
    file = tmp_path / "bad.py"
    file.write_text(PLUGIN)
    limits = HostLimits(max_memory=256 << 20, grace_s=0.5)
    host = PluginHost("bad", [Source(plugin="bad", file=str(file))], limits)
    await host.load()
    yield host
    await host.close()


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(pid=3, call_id="c1", root=tmp_path)


def test_the_wait_doubles_and_ends_with_the_first_success() -> None:
    async def main(loop: virtual_time.VirtualLoop) -> None:
        backoff = Backoff("bad")
        backoff.failed()
        assert backoff.wait_s == 0
        for times in range(3):
            backoff.failed()
            assert backoff.wait_s == pytest.approx(FIRST_S * 2**times)
        started = loop.time()
        await backoff.wait()
        assert loop.time() - started == pytest.approx(FIRST_S * 4)
        backoff.failed()
        with pytest.raises(EAGAIN) as caught:
            await backoff.wait()
        assert str(caught.value) == (
            "EAGAIN: the plugin bad has crashed 5 times in a row (it is started again in 2 s)"
        )
        for _ in range(3000):
            backoff.failed()
        assert backoff.wait_s == LONGEST_S
        backoff.worked()
        assert backoff.wait_s == 0

    virtual_time.run(main)


async def test_crash_after_crash_is_told_to_the_caller(host: PluginHost, ctx: Context) -> None:
    errors = []
    for _ in range(6):
        with pytest.raises((EIO, EAGAIN)) as caught:
            await host.run("crash", {}, ctx, 10)
        errors.append(str(caught.value))
    assert errors[0] == "EIO: the worker of bad ended with exit code 9"
    assert errors[-1].startswith("EAGAIN: the plugin bad has crashed 5 times in a row")


async def test_one_crash_costs_the_next_call_nothing(host: PluginHost, ctx: Context) -> None:
    for _ in range(4):
        with pytest.raises(EIO):
            await host.run("crash", {}, ctx, 10)
        assert await host.run("echo", {"text": "still here"}, ctx, 10) == "still here"


async def test_memory_is_bounded(host: PluginHost, ctx: Context) -> None:
    assert await host.run("eat", {"mebibytes": 50}, ctx, 10) == "50"
    with pytest.raises(ENOMEM, match="eat ran out of memory"):
        await host.run("eat", {"mebibytes": 1000}, ctx, 10)
    assert await host.run("echo", {"text": "still here"}, ctx, 10) == "still here"


async def test_who_looks_out_for_it_can_tidy_up(
    host: PluginHost, ctx: Context, tmp_path: Path
) -> None:
    with pytest.raises(ETIME):
        await host.run("tidies", {}, ctx, 0.3)
    async with asyncio.timeout(10):
        while not (tmp_path / "tidied").exists():
            await asyncio.sleep(0.01)


async def test_who_looks_and_goes_on_is_ended_all_the_same(host: PluginHost, ctx: Context) -> None:
    with pytest.raises(ETIME):
        await host.run("pretends", {}, ctx, 0.3)
    async with asyncio.timeout(10):
        while host.statistics().workers:
            await asyncio.sleep(0.01)


def test_a_flood_of_progress_is_held_back(llmos_kernel: TestKernel, tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(PLUGIN)
    llmos_kernel.load(file)
    assert llmos_kernel.call("chatter", times=600) == "told"
    assert len(llmos_kernel.told) == 600
    assert {len(text) for _, text in llmos_kernel.told} == {1000}
