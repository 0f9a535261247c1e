"""A plugin's verb works as one of the shell's own: outside, in the shell, in help. It is imported
when it is used; none can take a name of the shell's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness import KernelProcess
from terminal import Terminal

PLUGIN = '''
from llmos import hookimpl
from llmos.shell.verb import Outcome, Verb, option, words

async def tide(ctx):
    """Tells the tide."""
    status = await ctx.ask("status")
    return Outcome({{"state": status.engine.state}}, f"high at {{' '.join(ctx.args.place)}}")

async def fake(ctx):
    return Outcome({{}}, "no processes at all")

@hookimpl
def llmos_verbs():
    return [
        Verb({name!r}, "tell the tide", (words("place", "where"),), tide),
        Verb("ps", "list nothing", (), fake),
    ]
'''


@pytest.fixture
def kernel(own_kernel: KernelProcess) -> KernelProcess:
    save(own_kernel, "sea", "tide")
    return own_kernel.start().ready().plugin_in_use("sea")


def save(kernel: KernelProcess, plugin: str, verb: str) -> Path:
    kernel.plugins_dir.mkdir(parents=True, exist_ok=True)
    file = kernel.plugins_dir / f"{plugin}.py"
    file.write_text(PLUGIN.format(name=verb))
    return file


def test_it_works_from_outside(kernel: KernelProcess) -> None:
    run = kernel.llmos("tide", "Brest", "harbour")
    assert (run.returncode, run.stdout) == (0, "high at Brest harbour\n")
    document = json.loads(kernel.llmos("tide", "--json").stdout)
    assert document == {"ok": True, "state": "ready"}
    assert kernel.llmos("tide", "--tides").returncode == 2
    assert "tell the tide" in kernel.llmos("help").stdout


def test_it_works_in_the_shell(kernel: KernelProcess) -> None:
    with Terminal([sys.executable, "-m", "llmos"], env=kernel.env) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("tide Brest")
        terminal.wait_for("high at Brest")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0


def test_it_cannot_take_the_name_of_one_of_the_shells_own(kernel: KernelProcess) -> None:
    assert "no processes" not in kernel.llmos("ps").stdout
    listed = kernel.llmos("plugins").stdout
    assert "sea is not in use: the verb ps is the shell's own" in listed


def test_two_plugins_with_one_verb_have_neither(kernel: KernelProcess) -> None:
    save(kernel, "lake", "tide")
    kernel._wait(lambda: "the verb tide is that of" in kernel.llmos("plugins").stdout)
    assert kernel.llmos("tide").returncode == 127
    kernel.llmos("plugins", "disable", "lake")
    assert kernel.llmos("tide", "Brest").stdout == "high at Brest\n"


def test_one_that_cannot_be_imported_says_why(kernel: KernelProcess) -> None:
    file = kernel.plugins_dir / "sea.py"
    kernel.kill9()
    file.write_text("import nump\n")
    run = kernel.llmos("tide")
    assert run.returncode == 78
    assert "the plugin sea, which brings tide, cannot be imported here" in run.stderr
    assert "ModuleNotFoundError: No module named 'nump'" in run.stderr
