"""A syscall that hangs is stopped, one that crashes says so, and the next call works."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from llmos.syscalls import Context, SyscallError
from llmos.syscalls.errno import EAGAIN, ECANCELED, EINTR, EIO, ENOMEM, ETIME
from llmos.syscalls.host import DEFAULT_LIMITS, HostLimits, PluginHost
from llmos.syscalls.wire import Source

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLUGIN = '''
import asyncio, ctypes, os, signal, subprocess, sys, time
from llmos import syscall, errno

@syscall
def echo(text: str) -> str:
    """Say it again."""
    return text

@syscall
def spin() -> None:
    """Never end."""
    while True:
        pass

@syscall
def spin_deaf() -> None:
    """Never end, and refuse every signal that can be refused."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            time.sleep(100)
        except BaseException:
            pass

@syscall
def leave(code: int) -> None:
    """Take the whole worker down."""
    os._exit(code)

@syscall
def segfault() -> None:
    """Read from nowhere."""
    ctypes.string_at(0)

@syscall
def exit() -> None:
    """Call sys.exit."""
    sys.exit(3)

@syscall
def fail() -> None:
    """Raise."""
    raise ValueError("no such colour")

@syscall
def refuse() -> None:
    """Raise what a process is meant to read."""
    raise errno.ENOENT("no such tide", hint="did you mean ebb?")

@syscall
def eat() -> None:
    """Run out of memory."""
    raise MemoryError

@syscall
def flood() -> str:
    """Say too much."""
    return "x" * 200_000

@syscall
def chatter(lines: int) -> str:
    """Print a lot on the way."""
    for number in range(lines):
        print("noise", number, flush=True)
    os.write(1, b"raw noise")
    sys.stderr.write("more noise")
    return "quiet again"

@syscall
def start_child() -> int:
    """Leave a process behind, and hang."""
    child = subprocess.Popen(["sleep", "1000"])
    with open("child.pid", "w") as file:
        file.write(str(child.pid))
    while True:
        pass

@syscall
def leave_child() -> int:
    """Leave a process behind, and return."""
    return subprocess.Popen(["sleep", "1000"]).pid

@syscall
def hold(s: float) -> int:
    """Take a while."""
    time.sleep(s)
    return os.getpid()

@syscall
async def gather(s: float) -> int:
    """Take a while, beside others."""
    await asyncio.sleep(s)
    return os.getpid()

@syscall
async def block() -> None:
    """An async def that never yields."""
    while True:
        pass

@syscall
async def stubborn() -> str:
    """Yields, but will not be cancelled."""
    while True:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            pass

@syscall
async def give_up() -> None:
    """Cancels itself."""
    raise asyncio.CancelledError
'''


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    root = tmp_path / "root"
    root.mkdir()
    return Context(pid=3, call_id="c1", root=root)


@pytest.fixture(scope="module")
def shared_source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    file = tmp_path_factory.mktemp("user") / "trouble.py"
    file.write_text(PLUGIN)
    return Source(plugin="trouble", file=str(file))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """One that the test may edit."""
    file = tmp_path / "trouble.py"
    file.write_text(PLUGIN)
    return Source(plugin="trouble", file=str(file))


async def loaded(source: Source, limits: HostLimits = DEFAULT_LIMITS) -> PluginHost:
    host = PluginHost("trouble", [source], limits)
    await host.load()
    return host


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(shared_source: Source) -> AsyncIterator[PluginHost]:
    """All tests share it: whatever one does to it must not trouble the next."""
    host = await loaded(shared_source)
    yield host
    await host.close()


@pytest_asyncio.fixture(loop_scope="module")
async def own_host(source: Source) -> AsyncIterator[PluginHost]:
    """For a test that counts workers or closes the host."""
    host = await loaded(source)
    yield host
    await host.close()


async def test_a_loop_without_end_is_stopped_at_its_timeout(host: PluginHost, ctx: Context) -> None:
    with pytest.raises(ETIME) as caught:
        await host.run("spin", {}, ctx, 0.3)
    assert str(caught.value) == "ETIME: spin ran longer than 0.3 s and was stopped"
    assert await host.run("echo", {"text": "still here"}, ctx, 10) == "still here"


async def test_ignoring_signals_does_not_help(host: PluginHost, ctx: Context) -> None:
    with pytest.raises(ETIME):
        await host.run("spin_deaf", {}, ctx, 0.3)
    assert await host.run("echo", {"text": "still here"}, ctx, 10) == "still here"


async def test_what_a_call_has_started_ends_with_it(host: PluginHost, ctx: Context) -> None:
    with pytest.raises(ETIME):
        await host.run("start_child", {}, ctx, 1)
    pid = int((ctx.root / "child.pid").read_text())
    assert await gone(pid)


@pytest.mark.parametrize(
    ("name", "arguments", "ending"),
    [
        ("leave", {"code": 3}, "ended with exit code 3"),
        ("leave", {"code": 0}, "ended with exit code 0"),
        ("segfault", {}, "was killed by SIGSEGV"),
    ],
)
async def test_a_crash_is_named(
    host: PluginHost, ctx: Context, name: str, arguments: dict[str, int], ending: str
) -> None:
    with pytest.raises(EIO) as caught:
        await host.run(name, arguments, ctx, 10)
    assert str(caught.value) == f"EIO: the worker of trouble {ending}"
    assert await host.run("echo", {"text": "still here"}, ctx, 10) == "still here"


async def test_an_exception_says_where_it_was_raised(host: PluginHost, ctx: Context) -> None:
    line = PLUGIN.splitlines().index('    raise ValueError("no such colour")') + 1
    with pytest.raises(EIO) as caught:
        await host.run("fail", {}, ctx, 10)
    assert str(caught.value) == f"EIO: ValueError: no such colour (trouble.py:{line})"


async def test_errors_of_every_other_kind(own_host: PluginHost, ctx: Context) -> None:
    with pytest.raises(SyscallError) as caught:
        await own_host.run("refuse", {}, ctx, 10)
    assert str(caught.value) == "ENOENT: no such tide (did you mean ebb?)"
    with pytest.raises(EIO, match=r"SystemExit: it called sys.exit\(3\) \(trouble.py:\d+\)"):
        await own_host.run("exit", {}, ctx, 10)
    with pytest.raises(ENOMEM):
        await own_host.run("eat", {}, ctx, 10)
    assert own_host.statistics().workers == 1  # none of these costs the worker its life


async def test_a_flood_is_cut_and_says_so(host: PluginHost, ctx: Context) -> None:
    text = await host.run("flood", {}, ctx, 10)
    kept, _, last = text.rpartition("\n")
    assert kept == "x" * 65_536
    assert last == "[cut here: 134464 more bytes of 200000]"


async def test_what_a_plugin_prints_does_not_get_in_the_way(
    own_host: PluginHost, ctx: Context, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="llmos.plugins"):
        assert await own_host.run("chatter", {"lines": 2000}, ctx, 30) == "quiet again"
        await own_host.close()
    assert "noise 1999" in caplog.text
    assert "raw noise" in caplog.text


async def test_a_flood_of_prints_is_held_back(host: PluginHost, ctx: Context) -> None:
    """The plugin waits for its own pipe; the loop of the kernel goes on."""
    call = asyncio.create_task(host.run("chatter", {"lines": 10_000_000}, ctx, 1))
    turns = 0
    while not call.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert isinstance(call.exception(), ETIME)
    assert turns > 20


async def test_cancelling_the_caller_stops_the_call(host: PluginHost, ctx: Context) -> None:
    call = asyncio.create_task(host.run("start_child", {}, ctx, 100))
    pid_file = ctx.root / "child.pid"
    await until(lambda: pid_file.exists() and pid_file.read_text() != "")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await gone(int(pid_file.read_text()))


async def test_calls_that_wait_too_long_for_a_worker_are_told_so(
    source: Source, ctx: Context
) -> None:
    host = await loaded(source, replace(DEFAULT_LIMITS, max_workers=1))
    holder = asyncio.create_task(host.run("hold", {"s": 100}, ctx, 100))
    await asyncio.sleep(0.05)
    with pytest.raises(EAGAIN) as caught:
        await host.run("echo", {"text": "x"}, ctx, 0.2)
    assert str(caught.value) == "EAGAIN: all 1 workers of trouble are busy (try again later)"
    holder.cancel()
    assert await host.run("echo", {"text": "x"}, ctx, 10) == "x"
    await host.close()


async def test_defs_run_side_by_side_each_in_its_own_worker(host: PluginHost, ctx: Context) -> None:
    pids = await asyncio.gather(*(host.run("hold", {"s": 0.5}, ctx, 30) for _ in range(3)))
    assert len(set(pids)) == 3


async def test_async_defs_share_one_worker(own_host: PluginHost, ctx: Context) -> None:
    pids = await asyncio.gather(*(own_host.run("gather", {"s": 0.2}, ctx, 30) for _ in range(20)))
    assert len(set(pids)) == 1
    assert own_host.statistics().workers == 1


async def test_an_async_def_is_cancelled_alone(host: PluginHost, ctx: Context) -> None:
    other = asyncio.create_task(host.run("gather", {"s": 1}, ctx, 30))
    with pytest.raises(ETIME) as caught:
        await host.run("gather", {"s": 100}, ctx, 0.2)
    assert str(caught.value) == "ETIME: gather ran longer than 0.2 s and was stopped"
    assert int(await other) > 0


@pytest.mark.parametrize("name", ["block", "stubborn"])
async def test_an_async_def_that_does_not_yield_is_ended_with_its_worker(
    source: Source, ctx: Context, name: str
) -> None:
    host = await loaded(source, replace(DEFAULT_LIMITS, grace_s=0.3))
    neighbour = asyncio.create_task(host.run("gather", {"s": 100}, ctx, 100))
    await asyncio.sleep(0.05)
    with pytest.raises(ETIME):
        await host.run(name, {}, ctx, 0.2)
    with pytest.raises(EINTR) as caught:
        await neighbour
    assert str(caught.value) == (
        f"EINTR: {name}, in the same worker, did not stop when told to, and was ended with it"
        " (what it was doing may or may not have happened)"
    )
    assert int(await host.run("gather", {"s": 0}, ctx, 10)) > 0
    await host.close()


async def test_an_async_def_that_cancels_itself_is_an_error(host: PluginHost, ctx: Context) -> None:
    with pytest.raises(ECANCELED):
        await host.run("give_up", {}, ctx, 10)


async def test_workers_without_work_are_ended(source: Source, ctx: Context) -> None:
    host = await loaded(source, replace(DEFAULT_LIMITS, idle_s=0.2))
    assert host.statistics().workers == 1
    await until(lambda: host.statistics().workers == 0)
    assert await host.run("echo", {"text": "back"}, ctx, 10) == "back"
    assert int(await host.run("gather", {"s": 0}, ctx, 10)) > 0
    await until(lambda: host.statistics().workers == 0)
    await host.close()


async def test_a_plugin_that_changed_on_disk_is_not_run_unseen(
    source: Source, ctx: Context
) -> None:
    """What it may do was granted for the old one."""
    host = await loaded(source, replace(DEFAULT_LIMITS, idle_s=0.1))
    await until(lambda: host.statistics().workers == 0)
    file = Path(source.file)
    file.write_text(file.read_text().replace("@syscall\ndef echo", '@syscall(needs="x")\ndef echo'))
    os.utime(file, (time.time() + 5, time.time() + 5))
    with pytest.raises(EAGAIN, match="the plugin trouble has changed on disk"):
        await host.run("echo", {"text": "x"}, ctx, 10)
    await host.close()


async def test_closing_ends_calls_and_workers(own_host: PluginHost, ctx: Context) -> None:
    call = asyncio.create_task(own_host.run("hold", {"s": 100}, ctx, 100))
    await asyncio.sleep(0.1)
    await own_host.close()
    with pytest.raises(EINTR, match="the plugin trouble was closed"):
        await call
    assert own_host.statistics().workers == 0
    with pytest.raises(EAGAIN):
        await own_host.run("echo", {"text": "x"}, ctx, 10)


async def test_what_a_call_left_behind_ends_with_the_worker(
    own_host: PluginHost, ctx: Context
) -> None:
    pid = int(await own_host.run("leave_child", {}, ctx, 10))
    await own_host.close()
    assert await gone(pid)


async def test_retiring_lets_a_call_end_first(own_host: PluginHost, ctx: Context) -> None:
    call = asyncio.create_task(own_host.run("hold", {"s": 0.5}, ctx, 100))
    await asyncio.sleep(0.05)
    own_host.retire()
    assert int(await call) > 0
    await until(lambda: own_host.closed)


async def test_random_calls_and_cancellations_leave_nothing_behind(
    source: Source, ctx: Context
) -> None:
    rng = random.Random(7)
    kinds: list[tuple[str, dict[str, object]]] = [
        ("echo", {"text": "x"}),
        ("hold", {"s": 0.02}),
        ("gather", {"s": 0.05}),
        ("leave", {"code": 1}),
    ]
    descriptors = len(os.listdir("/proc/self/fd"))
    host = await loaded(source, replace(DEFAULT_LIMITS, max_workers=2, grace_s=0.3))
    calls = [
        asyncio.create_task(host.run(name, arguments, ctx, rng.choice((0.05, 5))))
        for name, arguments in rng.choices(kinds, weights=[6, 6, 6, 1], k=40)
    ]
    await asyncio.sleep(0.3)
    for call in rng.sample(calls, 10):
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(
        isinstance(result, str | SyscallError | asyncio.CancelledError) for result in results
    )
    assert await host.run("echo", {"text": "well"}, ctx, 30) == "well"
    assert host.statistics().calls == 0
    await host.close()
    assert host.closed
    assert len(os.listdir("/proc/self/fd")) == descriptors


async def until(true: object, timeout_s: float = 20) -> None:
    assert callable(true)
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.02)


async def gone(pid: int) -> bool:
    def is_gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

    try:
        await until(is_gone, 10)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        return False
    return True
