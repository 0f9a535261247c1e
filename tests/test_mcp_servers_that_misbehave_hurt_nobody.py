"""A server that prints, crashes, hangs, floods or will not end costs its caller an errno."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from harness import KernelProcess
from llmos.syscalls.errno import EAGAIN, EINVAL, EIO, ETIME, SyscallError
from mounting import Mounts, becomes, lives, mounting, wayward, write


async def test_a_banner_is_told_to_the_log_and_breaks_nothing(tmp_path: Path) -> None:
    far = tmp_path / "far"
    servers = {"far": wayward(far)}
    (far / "banner").write_text("*** WELCOME ***")
    async with mounting(tmp_path, servers) as mounts:
        assert await mounts.call("far.echo", text="hi") == "hi"
        assert "*** WELCOME ***" in mounts.mounted().output


async def test_a_crash_is_an_errno_and_the_server_comes_back(tmp_path: Path) -> None:
    async with mounting(tmp_path, {"far": wayward(tmp_path / "far")}) as mounts:
        first = await mounts.call("far.pid")
        waiting = asyncio.create_task(mounts.call("far.hang"))
        await _called(tmp_path / "far", "hang")
        with pytest.raises(EIO, match="during the call"):
            await mounts.call("far.crash")
        with pytest.raises(EIO, match="during the call"):
            await waiting
        await becomes(lambda: mounts.mounted().state == "down")
        with pytest.raises(EAGAIN, match="I cannot go on") as refused:
            await mounts.call("far.pid")
        assert refused.value.hint == "it is started again soon"
        await becomes(lambda: mounts.mounted().state == "up")
        assert await mounts.call("far.pid") != first
        assert mounts.mounted().restarts == 1


async def test_one_that_cannot_start_says_why_and_holds_up_nobody(tmp_path: Path) -> None:
    servers = {
        "none": {"command": "no-such-command"},
        "bad": {"command": "sh", "args": ["-c", "echo key is missing >&2; exit 3"]},
        "far": wayward(tmp_path / "far"),
    }
    async with mounting(tmp_path, servers) as mounts:
        assert await mounts.call("far.echo", text="hi") == "hi"
        errors = {record.name: record.error for record in mounts.table.records()}
        assert "there is no command 'no-such-command' on the PATH" in errors["none"]
        assert "it ended with exit code 3 before it answered" in errors["bad"]
        assert "key is missing" in errors["bad"]
        assert errors["far"] == ""


async def test_a_call_that_hangs_is_called_off_at_the_server(tmp_path: Path) -> None:
    far = tmp_path / "far"
    async with mounting(tmp_path, {"far": wayward(far)}) as mounts:
        with pytest.raises(ETIME, match=r"far\.hang ran longer than 0\.2 s"):
            await mounts.call("far.hang", timeout_s=0.2)
        await becomes(lambda: (far / "cancelled").exists())

        (far / "cancelled").unlink()
        (far / "called").unlink()
        call = asyncio.create_task(mounts.call("far.hang"))
        await _called(far, "hang")
        call.cancel()
        await becomes(lambda: (far / "cancelled").exists())
        assert await mounts.call("far.echo", text="hi") == "hi"


async def test_a_flood_without_end_ends_the_server_alone(tmp_path: Path) -> None:
    servers = {"far": wayward(tmp_path / "far"), "near": wayward(tmp_path / "near")}
    async with mounting(tmp_path, servers) as mounts:
        with pytest.raises(SyscallError):
            await mounts.call("far.flood")
        assert await mounts.call("near.echo", text="hi") == "hi"
        await becomes(lambda: mounts.mounted().restarts and mounts.mounted().state == "up")


async def test_a_long_result_is_cut(tmp_path: Path) -> None:
    async with mounting(tmp_path, {"far": wayward(tmp_path / "far")}) as mounts:
        text = await mounts.call("far.long", length=1_000_000)
        assert len(text) < 70_000
        assert text.endswith("more bytes of 1000000]")


async def test_what_a_tool_calls_an_error_is_one(tmp_path: Path) -> None:
    async with mounting(tmp_path, {"far": wayward(tmp_path / "far")}) as mounts:
        with pytest.raises(EIO, match="it is broken"):
            await mounts.call("far.fail")
        with pytest.raises(EINVAL, match="text: expected a string, got 3"):
            await mounts.call("far.echo", text=3)


async def test_a_server_sees_no_key_that_is_not_meant_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMEBODYS_KEY", "secret")
    monkeypatch.setenv("MY_KEY", "mine")
    monkeypatch.setenv("LLMOS_STATE_DIR", "/nowhere")
    servers = {"far": wayward(tmp_path / "far", env={"KEY": "${MY_KEY}"})}
    async with mounting(tmp_path, servers) as mounts:
        seen = json.loads(await mounts.call("far.env"))
    assert seen["KEY"] == "mine"
    assert seen["PATH"] == os.environ["PATH"]
    assert "secret" not in seen.values()
    assert not {name for name in seen if name.startswith(("LLMOS", "PYTHON"))}


async def test_nothing_of_it_is_left_when_it_is_unmounted(tmp_path: Path) -> None:
    far = tmp_path / "far"
    async with mounting(tmp_path, {"far": wayward(far)}) as mounts:
        pids = await _family(mounts, far)
        write(mounts.file, {"mcpServers": {}})
        await becomes(lambda: not any(map(lives, pids)))


def test_nothing_of_it_is_left_when_the_kernel_is_killed(own_kernel: KernelProcess) -> None:
    far = own_kernel.folder / "far"
    write(own_kernel.mounts, {"mcpServers": {"far": wayward(far)}})
    (far / "deaf").touch()
    own_kernel.start().ready()
    pids = [int(own_kernel.llmos("call", f"far.{name}").stdout) for name in ("pid", "child")]
    assert all(map(lives, pids))
    own_kernel.kill9()
    asyncio.run(becomes(lambda: not any(map(lives, pids))))


async def _family(mounts: Mounts, far: Path) -> list[int]:
    """A server that ignores the end of its input, and what it has started."""
    (far / "deaf").touch()
    return [int(await mounts.call("far.pid")), int(await mounts.call("far.child"))]


async def _called(far: Path, name: str) -> None:
    await becomes(lambda: (far / "called").exists() and (far / "called").read_text() == name)
