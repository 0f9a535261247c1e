"""The client starts light: what a verb loads, and what that costs."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

import pytest

from harness import KernelProcess
from terminal import Terminal

HEAVY = {"torch", "vllm", "pydantic", "chromadb", "rich", "httpx", "pluggy", "numpy", "watchfiles"}
NOT_FOR_ONE_VERB = {"asyncio", "prompt_toolkit", "dataclasses", "inspect", "shutil", "pathlib"}

REPORT = """
import sys
before = set(sys.modules)
from llmos.shell.main import main
status = main(sys.argv[1:])
print(*sorted(set(sys.modules) - before), sep="\\n", file=sys.stderr)
sys.exit(status)
"""

PS_CPU_MS = 80.0
FIRST_PROMPT_CPU_MS = 220.0


@pytest.mark.parametrize("verb", ["ps", "status", "plugins", "man", "help", "run hello", "logs 1"])
def test_a_verb_loads_nothing_heavy(sim_kernel: KernelProcess, verb: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", REPORT, *verb.split()],
        env=sim_kernel.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    loaded = {name.partition(".")[0] for name in run.stderr.splitlines()}
    assert run.returncode == 0, run.stderr
    assert "json" in loaded, "the list of modules is on stderr"
    assert not loaded & HEAVY
    assert not loaded & NOT_FOR_ONE_VERB
    assert "llmos.kernel.messages" not in run.stderr.splitlines()


def test_the_interactive_shell_loads_nothing_heavy(sim_kernel: KernelProcess) -> None:
    with Terminal([sys.executable, "-c", REPORT], env=sim_kernel.env, lines=1000) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
        loaded = {line.partition(".")[0] for line in terminal.text().splitlines()}
        assert "prompt_toolkit" in loaded
        assert not loaded & HEAVY


def cpu_ms(command: list[str], env: dict[str, str]) -> float:
    """User and system time of one run, without what the fork itself costs."""
    with open(os.devnull, "r+b") as nothing:
        files = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), target) for target in (0, 1, 2)]
        pid = os.posix_spawn(command[0], command, env, file_actions=files)
    _, status, used = os.wait4(pid, 0)
    assert status == 0
    return 1000 * (used.ru_utime + used.ru_stime)


def test_ps_fits_its_cpu_budget(sim_kernel: KernelProcess) -> None:
    ps = [sys.executable, "-m", "llmos", "ps"]
    samples = [cpu_ms(ps, sim_kernel.env) for _ in range(9)]
    assert statistics.median(samples) <= PS_CPU_MS, samples


def test_the_first_prompt_fits_its_cpu_budget(sim_kernel: KernelProcess) -> None:
    samples = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with Terminal([sys.executable, "-m", "llmos"], env=sim_kernel.env) as terminal:
            terminal.wait_for("llmos>")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        samples.append(1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime))
    assert statistics.median(samples) <= FIRST_PROMPT_CPU_MS, samples
