"""The client starts light: what a verb loads, and what that costs.

CPU times are the lowest of several runs: whatever else runs on the machine only adds to them.
Where a machine is too slow for the budgets themselves, the client must keep close to what Python,
or the library that draws the prompt, takes alone.
"""

from __future__ import annotations

import os
import resource
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
PS_TO_PYTHON = 2.5
FIRST_PROMPT_CPU_MS = 220.0
PROMPT_TO_LIBRARY = 1.5


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


def cpu_ms_until(shown: str, command: list[str], env: dict[str, str]) -> float:
    """User and system time of a command in a terminal until it shows something."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Terminal(command, env=env) as terminal:
        terminal.wait_for(shown)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def test_ps_fits_its_cpu_budget(sim_kernel: KernelProcess) -> None:
    python, ps = [], []
    for _ in range(9):
        python.append(cpu_ms([sys.executable, "-c", "pass"], sim_kernel.env))
        ps.append(cpu_ms([sys.executable, "-m", "llmos", "ps"], sim_kernel.env))
    assert min(ps) <= max(PS_CPU_MS, PS_TO_PYTHON * min(python)), (python, ps)


def test_the_first_prompt_fits_its_cpu_budget(sim_kernel: KernelProcess) -> None:
    imports = "import prompt_toolkit; print('llmos>', flush=True); input()"
    bare, shell = [], []
    for _ in range(5):
        bare.append(cpu_ms_until("llmos>", [sys.executable, "-c", imports], sim_kernel.env))
        shell.append(cpu_ms_until("llmos>", [sys.executable, "-m", "llmos"], sim_kernel.env))
    assert min(shell) <= max(FIRST_PROMPT_CPU_MS, PROMPT_TO_LIBRARY * min(bare)), (bare, shell)
