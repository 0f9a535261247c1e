"""A plugin's process has no secrets, no descriptors and no life of the kernel's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llmos.syscalls import Context
from llmos.syscalls.host import PluginHost
from llmos.syscalls.wire import Source

PLUGIN = '''
import os, sys, time
from pathlib import Path
from llmos import Context, syscall

@syscall
def environment() -> dict[str, str]:
    """Tell the environment."""
    return dict(os.environ)

@syscall
def descriptors() -> list[str]:
    """Tell what is open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass
    return found

@syscall
def modules() -> list[str]:
    """Tell what is imported."""
    return sorted(sys.modules)

@syscall
def me(ctx: Context) -> dict[str, object]:
    """Tell what the call is told."""
    return {"pid": ctx.pid, "call": ctx.call_id, "root": str(ctx.root), "kernel": ctx.kernel,
            "folder": os.getcwd(), "path": sys.path[0]}

@syscall
def standard_input() -> str:
    """Read what there is to read."""
    return sys.stdin.read()

@syscall
def spin(path: str) -> None:
    """Tell the process id, and never end."""
    Path(path).write_text(str(os.getpid()))
    while True:
        pass
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "spy.py"
    file.write_text(PLUGIN)
    return file


@pytest.fixture
async def host(plugin: Path) -> AsyncIterator[PluginHost]:
    host = PluginHost("spy", [Source(plugin="spy", file=str(plugin))])
    await host.load()
    yield host
    await host.close()


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(pid=7, call_id="c9", root=tmp_path)


async def test_the_environment_holds_no_secret(
    plugin: Path, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "OPENAI_API_KEY": "sk-1",
        "HF_TOKEN": "hf-1",
        "AWS_SECRET_ACCESS_KEY": "a",
        "SSH_AUTH_SOCK": "/run/agent",
        "LLMOS_SOCKET": "/run/kernel.sock",
        "LD_PRELOAD_NOT_REALLY": "x",
        "PYTHONSTARTUP": "/evil.py",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LC_TIME", "C")
    host = PluginHost("spy", [Source(plugin="spy", file=str(plugin))])
    await host.load()
    seen = json.loads(await host.run("environment", {}, ctx, 10))
    await host.close()
    assert not secrets.keys() & seen.keys()
    assert seen["PATH"] == os.environ["PATH"]
    assert seen["LC_TIME"] == "C"


async def test_no_descriptor_of_the_kernel_is_open(
    plugin: Path, ctx: Context, tmp_path: Path
) -> None:
    with open(tmp_path / "journal.db", "w") as file:
        os.set_inheritable(file.fileno(), True)
        host = PluginHost("spy", [Source(plugin="spy", file=str(plugin))])
        await host.load()
        seen = json.loads(await host.run("descriptors", {}, ctx, 10))
        await host.close()
    assert not any("journal.db" in name for name in seen)
    assert sum(name.startswith("socket:") for name in seen) == 1
    assert sum(name.startswith("pipe:") for name in seen) == 2  # standard output and error


async def test_a_worker_does_not_load_the_kernel(host: PluginHost, ctx: Context) -> None:
    seen = set(json.loads(await host.run("modules", {}, ctx, 10)))
    assert not {"torch", "vllm", "chromadb", "watchfiles"} & seen
    assert not [name for name in seen if name.startswith(("llmos.kernel", "llmos.memory"))]


async def test_a_call_is_told_about_its_process_and_runs_in_its_folder(
    host: PluginHost, ctx: Context, tmp_path: Path
) -> None:
    seen = json.loads(await host.run("me", {}, ctx, 10))
    root = str(tmp_path)
    assert seen.pop("path") not in ("", root)  # a file there shadows no module
    assert seen == {"pid": 7, "call": "c9", "root": root, "kernel": None, "folder": root}


async def test_standard_input_is_empty(host: PluginHost, ctx: Context) -> None:
    assert await host.run("standard_input", {}, ctx, 10) == ""


def test_workers_die_with_the_kernel_even_in_a_loop(plugin: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "worker.pid"
    kernel = f"""
import asyncio
from pathlib import Path
from llmos.syscalls import Context
from llmos.syscalls.host import PluginHost
from llmos.syscalls.wire import Source

async def main():
    host = PluginHost("spy", [Source(plugin="spy", file={str(plugin)!r})])
    await host.load()
    await host.run("spin", {{"path": {str(pid_file)!r}}}, Context(3, "c1", Path("/")), 1000)

asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", kernel])
    try:
        wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    worker = int(pid_file.read_text())
    wait_until(lambda: not is_running(worker))


def wait_until(true: object, timeout_s: float = 30) -> None:
    assert callable(true)
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
