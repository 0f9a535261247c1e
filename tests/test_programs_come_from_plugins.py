"""A plugin's program runs in a process as an agent does: pid, exit status, signals, limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import KernelProcess

PLUGIN = '''
import asyncio
from llmos import AsyncContext, hookimpl

async def shout(ctx: AsyncContext, task: str) -> str:
    """Says it in capitals."""
    ctx.progress("thinking")
    return f"{task.upper()} by {ctx.pid}"

async def asks(ctx: AsyncContext, task: str) -> str:
    return await ctx.ask(task)

async def fails(ctx: AsyncContext, task: str) -> str:
    raise ValueError(task)

async def waits(ctx: AsyncContext, task: str) -> str:
    await asyncio.sleep(1000)

async def dies(ctx: AsyncContext, task: str) -> str:
    import os
    os._exit(3)

@hookimpl
def llmos_programs():
    return {"shout": shout, "asks": asks, "fails": fails, "waits": waits, "dies": dies}
'''


@pytest.fixture
def kernel(own_kernel: KernelProcess) -> KernelProcess:
    own_kernel.plugins_dir.mkdir(parents=True)
    (own_kernel.plugins_dir / "acme.py").write_text(PLUGIN)
    return own_kernel.start().ready().plugin_in_use("acme")


def test_what_it_returns_is_the_output(kernel: KernelProcess) -> None:
    run = kernel.llmos("run", "--program", "acme.shout", "hello")
    assert (run.returncode, run.stdout) == (0, "HELLO by 2\n")
    assert kernel.llmos("run", "--program", "asks", "why").stdout == "You said: why\n"
    run = kernel.llmos("plugins", "show", "acme")
    assert "program acme.shout" in run.stdout
    with kernel.wire() as wire:
        pages = wire.get("logs", pid=2)["pages"]
    assert [page["role"] for page in pages] == ["user", "assistant"]


def test_what_it_raises_is_its_end(kernel: KernelProcess) -> None:
    run = kernel.llmos("run", "--program", "acme.fails", "no such colour")
    assert run.returncode == 1
    assert "EIO: ValueError: no such colour (acme.py:" in run.stdout
    run = kernel.llmos("run", "--program", "dies", "now")
    assert (run.returncode, run.stdout) == (1, "EIO: the worker of acme ended with exit code 3\n")


def test_one_that_is_not_there_is_refused(kernel: KernelProcess) -> None:
    run = kernel.llmos("run", "--program", "acme.shuot", "hello")
    assert run.returncode == 2
    assert "there is no program 'acme.shuot'" in run.stderr
    assert "did you mean acme.shout?" in run.stderr


@pytest.mark.parametrize(("signal", "status"), [("INT", 130), ("TERM", 143), ("KILL", 137)])
def test_signals_end_it(kernel: KernelProcess, signal: str, status: int) -> None:
    pid = waiting(kernel)
    kernel.llmos("kill", "-s", signal, str(pid))
    assert kernel.llmos("wait", str(pid)).returncode == status


def test_a_limit_ends_it(kernel: KernelProcess) -> None:
    run = kernel.llmos("run", "--program", "acme.waits", "--limit", "wall_s=1s", "long")
    assert run.returncode == 152


def test_one_that_a_crash_has_cut_off_says_so(kernel: KernelProcess) -> None:
    pid = waiting(kernel)
    kernel.kill9()
    kernel.start().ready()
    run = kernel.llmos("wait", str(pid))
    assert run.returncode == 1
    assert "EINTR: the kernel went down while it ran" in run.stdout


def test_one_whose_plugin_has_gone_says_so(kernel: KernelProcess) -> None:
    pid = int(kernel.llmos("spawn", "-i", "--program", "acme.shout").stdout)
    kernel.kill9()
    (kernel.plugins_dir / "acme.py").unlink()
    kernel.start().ready()
    kernel.llmos("send", str(pid), "hello")
    run = kernel.llmos("wait", str(pid))
    assert (run.returncode, run.stdout) == (1, "ENOSYS: there is no program 'acme.shout'\n")


def waiting(kernel: KernelProcess) -> int:
    """The pid of a process whose program waits for something else."""
    pid = int(kernel.llmos("spawn", "--program", "acme.waits", "long").stdout)
    kernel._wait(lambda: "its program" in info(kernel, pid)["waits_for"])
    return pid


def info(kernel: KernelProcess, pid: int) -> dict[str, str]:
    processes = json.loads(kernel.llmos("ps", "--json").stdout)["processes"]
    return next(one for one in processes if one["pid"] == pid)


def test_a_path_is_no_program(kernel: KernelProcess, tmp_path: Path) -> None:
    run = kernel.llmos("run", "--program", str(tmp_path / "x.py"), "hello")
    assert run.returncode == 2
