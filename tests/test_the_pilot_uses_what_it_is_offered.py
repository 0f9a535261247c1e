"""The pilot, on the real vLLM, calls built-in syscalls that it has never seen, if told of them."""

from __future__ import annotations

import subprocess

import pytest

from harness import KernelProcess, Wire
from llmos.syscalls.sandbox import landlock
from real import agent, calls


@pytest.mark.skipif(not landlock.abi(), reason="this machine has no Landlock")
def test_it_runs_python(wire: Wire, kernel: KernelProcess) -> None:
    pid = agent(wire, kernel, "run python: print(6*7)", "run_python")
    ended = wire.get("wait", pid=pid)
    (name, arguments, told), *_ = calls(wire, pid)
    assert (name, arguments["code"], told) == ("run_python", "print(6*7)", "42")
    assert (ended["status"], "42" in ended["output"]) == (0, True)


@pytest.mark.skipif(not landlock.abi(), reason="this machine has no Landlock")
def test_it_looks_into_a_repository(wire: Wire, kernel: KernelProcess) -> None:
    subprocess.run(["git", "init", "-q", "-b", "main", kernel.root], check=True)
    pid = agent(wire, kernel, "show the git status", "git_status")
    ended = wire.get("wait", pid=pid)
    (name, _, told), *_ = calls(wire, pid)
    assert name == "git_status" and told.startswith("## No commits yet on main")
    assert ended["status"] == 0


def test_it_sleeps(wire: Wire, kernel: KernelProcess) -> None:
    pid = agent(wire, kernel, "sleep for 1 seconds", "sleep")
    wire.get("wait", pid=pid)
    assert calls(wire, pid)[0] == ("sleep", {"seconds": 1}, "slept 1 s")
