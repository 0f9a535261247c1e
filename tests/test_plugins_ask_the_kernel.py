"""A plugin's call can ask the kernel: files, secrets, agents, the model, as far as it declared."""

from __future__ import annotations

import json
import os
from pathlib import Path
from textwrap import dedent

import pytest

from llmos import Context, SyscallError
from llmos.kernel.testing import TestKernel

PLUGIN = '''
from llmos import AsyncContext, Context, syscall

@syscall(needs="proc.spawn")
def ask(ctx: Context, question: str) -> str:
    """Ask the model."""
    return ctx.ask(question)

@syscall(needs="proc.spawn")
async def ask_both(ctx: AsyncContext, first: str, second: str) -> str:
    """Ask the model two things at once."""
    import asyncio
    return " & ".join(await asyncio.gather(ctx.ask(first), ctx.ask(second)))

@syscall(needs="proc.spawn")
def start(ctx: Context, task: str) -> str:
    """Start an agent and wait for it."""
    end = ctx.wait(ctx.spawn(task))
    return f"{end.status}: {end.output}"

@syscall
def start_undeclared(ctx: Context, task: str) -> int:
    """Start an agent without having said so."""
    return ctx.spawn(task)

@syscall(needs="secret:KEY")
def key(ctx: Context) -> str:
    """Tell the key."""
    return ctx.secret("KEY")

@syscall
def key_undeclared(ctx: Context) -> str:
    """Tell the key without having said so."""
    return ctx.secret("KEY")

@syscall(needs=["fs.read", "fs.write"])
def copy(ctx: Context, source: str, target: str) -> list[str]:
    """Copy a text."""
    ctx.files.write(target, ctx.files.read(source))
    return ctx.files.names()

@syscall(needs="fs.read")
def overwrite(ctx: Context, path: str) -> None:
    """Write without having said so."""
    ctx.files.write(path, "gone")

@syscall
def steps(ctx: Context, count: int) -> str:
    """Tell each step."""
    for step in range(count):
        ctx.progress(f"step {step}", step / count)
    return f"pid {ctx.pid}"

@syscall
async def waits(ctx: Context) -> str:
    """Takes the wrong context."""
    return ctx.secret("KEY")
'''


@pytest.fixture
def kernel(llmos_kernel: TestKernel, tmp_path: Path) -> TestKernel:
    file = tmp_path / "asker.py"
    file.write_text(PLUGIN)
    llmos_kernel.load(file)
    return llmos_kernel


def test_the_model_can_be_asked(kernel: TestKernel) -> None:
    kernel.answers = str.upper
    assert kernel.call("ask", question="why") == "WHY"
    assert kernel.call("ask_both", first="why", second="how") == "WHY & HOW"


def test_an_agent_can_be_started_and_waited_for(kernel: TestKernel) -> None:
    assert kernel.call("start", task="hello") == "0: You said: hello"


def test_what_was_not_declared_is_refused(kernel: TestKernel) -> None:
    with pytest.raises(SyscallError) as refused:
        kernel.call("start_undeclared", task="hello")
    assert str(refused.value) == (
        'EPERM: start_undeclared has not declared proc.spawn (@syscall(needs="proc.spawn"))'
    )
    kernel.give_secret("asker", "KEY", "swordfish")
    with pytest.raises(SyscallError, match="has not declared secret:KEY"):
        kernel.call("key_undeclared")
    (kernel.root / "a.txt").write_text("precious")
    with pytest.raises(SyscallError, match=r"has not declared fs\.write"):
        kernel.call("overwrite", path="a.txt")
    assert (kernel.root / "a.txt").read_text() == "precious"


def test_a_secret_is_given_by_the_user_to_one_plugin(kernel: TestKernel) -> None:
    with pytest.raises(SyscallError, match="ENOENT: there is no secret KEY for asker") as missing:
        kernel.call("key")
    assert '{"asker": {"KEY": "…"}}' in missing.value.hint
    kernel.give_secret("another", "KEY", "not for you")
    with pytest.raises(SyscallError, match="there is no secret KEY for asker"):
        kernel.call("key")
    kernel.give_secret("asker", "KEY", "swordfish")
    assert kernel.call("key") == "swordfish"


def test_secrets_that_others_can_read_are_not_used(kernel: TestKernel) -> None:
    kernel.give_secret("asker", "KEY", "swordfish")
    os.chmod(kernel.root.parent / "secrets.json", 0o644)
    with pytest.raises(SyscallError, match="can be read by others"):
        kernel.call("key")


def test_files_are_those_of_the_process(kernel: TestKernel) -> None:
    (kernel.root / "a.txt").write_text("text")
    assert json.loads(kernel.call("copy", source="a.txt", target="b.txt")) == ["a.txt", "b.txt"]
    assert (kernel.root / "b.txt").read_text() == "text"
    with pytest.raises(SyscallError, match="EPERM"):
        kernel.call("copy", source="../secrets.json", target="c.txt")


def test_progress_is_told_on_the_way(kernel: TestKernel) -> None:
    assert kernel.call("steps", count=2).startswith("pid ")
    assert kernel.told == [("progress", "0% step 0"), ("progress", "50% step 1")]


def test_an_async_def_with_the_context_of_a_def_is_told_so(kernel: TestKernel) -> None:
    with pytest.raises(SyscallError, match="take ctx: AsyncContext"):
        kernel.call("waits")


def test_a_function_can_be_tested_without_a_kernel(tmp_path: Path) -> None:
    namespace: dict[str, object] = {}
    exec(dedent(PLUGIN), namespace)
    ctx = Context(pid=1, call_id="1", root=tmp_path)
    (tmp_path / "a.txt").write_text("text")
    copy, steps, ask = namespace["copy"], namespace["steps"], namespace["ask"]
    assert callable(copy) and callable(steps) and callable(ask)
    assert copy(ctx, "a.txt", "b.txt") == ["a.txt", "b.txt"]
    assert steps(ctx, 2) == "pid 1"
    with pytest.raises(SyscallError, match="only a call that comes through a kernel"):
        ask(ctx, "why")
