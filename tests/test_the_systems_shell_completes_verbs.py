"""bash, zsh and fish complete llmos: verbs and options at once, pids and such from the kernel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import KernelProcess
from llmos.shell.completing import offers, options_of, outside
from llmos.shell.paths import Paths
from terminal import Terminal

START = {
    "bash": (["bash", "--norc", "--noprofile"], 'eval "$(llmos completions bash)"'),
    "zsh": (["zsh", "-f"], 'autoload -U compinit; compinit -u; eval "$(llmos completions zsh)"'),
    "fish": (["fish", "--no-config"], "llmos completions fish | source"),
}
BARE_PROMPT = r"[$%#>]\Z"
"""At the end of the screen."""


def has(shell: str) -> bool:
    return shutil.which(shell) is not None


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the command `llmos` of this very checkout."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "llmos"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m llmos "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.fixture(
    params=[
        pytest.param(name, marks=() if has(name) else pytest.mark.skip(f"no {name} here"))
        for name in START
    ]
)
def shell(
    request: pytest.FixtureRequest, command: Path, sim_kernel: KernelProcess
) -> Iterator[Terminal]:
    argv, begin = START[request.param]
    env = sim_kernel.env
    env |= {"PATH": f"{command}:{env['PATH']}", "PS1": "$ ", "HOME": str(sim_kernel.root)}
    with Terminal(argv, env=env, cwd=sim_kernel.root) as terminal:
        terminal.enter(begin)
        terminal.enter("echo be''gun")
        terminal.wait_for("^begun")
        terminal.wait_for(BARE_PROMPT)
        yield terminal


def test_tab_completes_what_is_typed(shell: Terminal, sim_kernel: KernelProcess) -> None:
    def after_tab(typed: str, shown: str) -> None:
        shell.send(typed)
        shell.key("tab")
        shell.wait_for(rf"^.*[$%#>] {shown}$")
        shell.key("ctrl-u")
        shell.wait_for(BARE_PROMPT)

    (sim_kernel.root / "zebra.trace").write_text("")
    after_tab("llmos memory-m", "llmos memory-map")
    after_tab("llmos fork --bud", "llmos fork --budget")
    after_tab("llmos man calc", "llmos man calculate")
    after_tab("llmos scheduler use mlf", "llmos scheduler use mlfq")
    after_tab("llmos trace show zeb", "llmos trace show zebra.trace")
    after_tab("llmos completions zs", "llmos completions zsh")
    after_tab("llmos config get engine.dri", "llmos config get engine.driver")
    after_tab("llmos config set scheduler.policy mlf", "llmos config set scheduler.policy mlfq")
    after_tab("llmos kill -s KIL", "llmos kill -s KILL")
    after_tab("llmos help chec", "llmos help checkpoint")


def test_what_the_kernel_knows_is_offered_with_its_meaning(sim_kernel: KernelProcess) -> None:
    spawned = json.loads(sim_kernel.llmos("spawn", "-i", "--name=poet", "hello", "--json").stdout)
    lines = sim_kernel.llmos("__complete", "--", "kill", "").stdout.splitlines()
    assert f"{spawned['pid']}\tpoet, " in "\n".join(lines)
    told = sim_kernel.llmos("__complete", "--", "run", "--tools", "clock,read_f").stdout
    assert told.startswith("clock,read_file\t")
    assert sim_kernel.llmos("__complete", "--", "run", "--tools", "=", "calc").stdout.startswith(
        "calculate\t"
    )


def test_without_a_kernel_it_is_quiet(own_kernel: KernelProcess) -> None:
    for words in (["kill", ""], ["man", "x"], ["models", "use", "pi"], ["nonsense", ""]):
        ended = own_kernel.llmos("__complete", "--", *words)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert own_kernel.llmos("__complete", "--", "models", "use", "pi").stdout.startswith("pilot\t")


def test_every_verb_and_option_is_in_every_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmos.shell.completion_scripts import script

    for shell in START:
        text = script(shell)
        for one in outside():
            assert one.name in text
            for name, _ in options_of(one):
                assert (name if shell != "fish" else name.lstrip("-")) in text
    monkeypatch.setenv("LLMOS_STATE_DIR", str(tmp_path))
    names = [name for name, _ in offers([""], Paths())]
    assert names == [one.name for one in outside()]
    assert not any(name.startswith("_") for name in names)


def test_the_script_of_bash_is_right_bash() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "llmos", "completions", "bash"], capture_output=True, check=True
    )
    checked = subprocess.run(["bash", "-n"], input=made.stdout, capture_output=True)
    assert checked.returncode == 0 and not checked.stderr
