"""The client starts light: what a verb loads, and what the shell loads. What that costs in CPU
time, `make bench-attach` shows; nearly all of it is the import of these modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import KernelProcess
from llmos.shell import verbs
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

TOP = "top -b -d 0.01 -n 1"
MODULES_OF_A_VERB = 40
FILES_OF_VERBS = len(list((Path(verbs.__file__).parent).glob("*.py")))
"""Which help imports, all of them."""
MODULES_BESIDE_THE_PROMPT = 80
"""That prompt_toolkit does not load itself."""


@pytest.mark.parametrize(
    "verb", ["ps", "status", "plugins", "man", "help", "run hello", "logs 1", TOP]
)
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
    most = MODULES_OF_A_VERB + (FILES_OF_VERBS if verb == "help" else 0)
    assert len(run.stderr.splitlines()) <= most


def test_the_interactive_shell_loads_nothing_heavy(sim_kernel: KernelProcess) -> None:
    with Terminal([sys.executable, "-c", REPORT], env=sim_kernel.env, lines=1000) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
        modules = set(terminal.text().split())
    loaded = {name.partition(".")[0] for name in modules}
    assert "prompt_toolkit" in loaded
    assert not loaded & HEAVY
    listing = "import prompt_toolkit, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True)
    assert len(modules - set(run.stdout.split())) <= MODULES_BESIDE_THE_PROMPT
