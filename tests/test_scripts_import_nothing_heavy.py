"""A script starts light: what `llmos.connect` loads, and what `output=` alone adds to it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import KernelProcess

HEAVY = {"torch", "vllm", "chromadb", "rich", "pydantic", "pluggy", "numpy", "prompt_toolkit"}
MODULES_BESIDE_ASYNCIO = 30

REPORT = """
import asyncio, sys, typing
before = set(sys.modules)
import llmos
async def main():
    async with llmos.connect(boot=False) as k:
        assert await k.run("hello") == "You said: hello"
        assert await k.map("a", "bc") and await (await k.spawn()).ask("hi")
        {more}
asyncio.run(main())
print(*sorted(set(sys.modules) - before), sep="\\n")
"""


def loaded(kernel: KernelProcess, more: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", REPORT.format(more=more)],
        env=kernel.env,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_work_is_given_without_anything_heavy(sim_kernel: KernelProcess) -> None:
    modules = loaded(sim_kernel, "")
    assert "llmos.scripting.kernel" in modules, "the list of modules is on stdout"
    assert not {name.partition(".")[0] for name in modules} & HEAVY
    assert "llmos.kernel" not in modules
    assert len(modules) <= MODULES_BESIDE_ASYNCIO, sorted(modules)


@pytest.mark.parametrize(
    ("more", "library"),
    [
        ("await k.run('json 1', output=int)", "pydantic"),
        ("await k.map('a', 'b', progress=True)", "rich"),
    ],
)
def test_a_library_comes_with_what_needs_it(
    sim_kernel: KernelProcess, more: str, library: str
) -> None:
    packages = {name.partition(".")[0] for name in loaded(sim_kernel, more)}
    assert packages & HEAVY == {library}
