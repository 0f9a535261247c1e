"""`llmos run script.py`: the script is a process, all that it starts is below it, and they end
together, whichever of them is ended and in whatever way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import KernelProcess
from terminal import Terminal

LONG = """
import sys, llmos
with llmos.sync.connect(boot=False) as k:
    p = k.spawn("count 20000", name="worker")
    print("ready", sys.argv[1:], flush=True)
    p.wait()
"""
SHORT = """
import sys, llmos
with llmos.sync.connect(boot=False) as k:
    k.spawn(name="worker")
    print(k.run("hello"))
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    (tmp_path / "long.py").write_text(LONG)
    (tmp_path / "short.py").write_text(SHORT)
    return tmp_path


def rows(kernel: KernelProcess) -> list[dict[str, Any]]:
    with kernel.wire() as wire:
        found: list[dict[str, Any]] = wire.get("ps")["processes"]
    return found


def named(kernel: KernelProcess, name: str) -> dict[str, Any] | None:
    return next(
        (row for row in rows(kernel) if row["name"] == name and row["state"] != "zombie"), None
    )


def all_ended(kernel: KernelProcess) -> bool:
    """Soon: what it has started is told to end, and has a moment for it."""
    deadline = time.monotonic() + 20
    while named(kernel, "worker") or named(kernel, "long.py") or named(kernel, "short.py"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def started(kernel: KernelProcess, script: Path, *options: str) -> subprocess.Popen[str]:
    """A long one, whose worker is there."""
    running = subprocess.Popen(
        [sys.executable, "-m", "llmos", "run", *options, str(script / "long.py"), "--deep", "x"],
        env=kernel.env,
        cwd=kernel.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "ready ['--deep', 'x']\n"
    return running


def test_its_status_is_the_verbs_and_its_children_end(
    sim_kernel: KernelProcess, scripts: Path
) -> None:
    run = sim_kernel.llmos("run", str(scripts / "short.py"), "3")
    assert (run.returncode, run.stdout, run.stderr) == (3, "You said: hello\n", "")
    assert all_ended(sim_kernel)


def test_json_is_one_document(sim_kernel: KernelProcess, scripts: Path) -> None:
    run = sim_kernel.llmos("run", "--json", str(scripts / "short.py"), "0")
    document = json.loads(run.stdout)
    assert (document["ok"], document["status"]) == (True, 0)
    assert document["output"] == "You said: hello\n"


def test_ps_shows_it_as_the_parent(sim_kernel: KernelProcess, scripts: Path) -> None:
    running = started(sim_kernel, scripts, "--limit", "pages=77", "--budget", "50k")
    script, worker = named(sim_kernel, "long.py"), named(sim_kernel, "worker")
    assert script is not None and worker is not None
    assert worker["parent"] == script["pid"]
    assert worker["limits"] == script["limits"] == {"pages": [77, 77]}
    assert worker["budget"] == 25_000, "half of what the script has"
    with sim_kernel.wire() as wire:
        wire.get("kill", pid=script["pid"], signal="TERM")
    assert running.wait(30) == 143
    assert all_ended(sim_kernel)


def test_stopped_it_is_halted_with_its_program(sim_kernel: KernelProcess, scripts: Path) -> None:
    running = started(sim_kernel, scripts)
    (program,) = psutil.Process(running.pid).children()
    script = named(sim_kernel, "long.py")
    assert script is not None
    for signalled, halted in (("STOP", True), ("CONT", False)):
        with sim_kernel.wire() as wire:
            wire.get("kill", pid=script["pid"], signal=signalled, to="tree")
        while (program.status() == psutil.STATUS_STOPPED) is not halted:
            time.sleep(0.02)
    with sim_kernel.wire() as wire:
        wire.get("kill", pid=script["pid"], signal="KILL")
    assert running.wait(30) == 137
    assert all_ended(sim_kernel)


@pytest.mark.parametrize("to_all", [True, False])
def test_ctrl_c_ends_both(sim_kernel: KernelProcess, scripts: Path, to_all: bool) -> None:
    """A terminal signals all that run in it; somebody else perhaps the verb alone."""
    running = started(sim_kernel, scripts)
    if to_all:
        os.killpg(running.pid, signal.SIGINT)
    else:
        running.send_signal(signal.SIGINT)
    assert running.wait(30) == 130
    assert all_ended(sim_kernel)


def test_kill_9_of_the_verb_ends_what_was_started(sim_kernel: KernelProcess, scripts: Path) -> None:
    running = started(sim_kernel, scripts)
    running.kill()
    running.wait()
    assert all_ended(sim_kernel)
    os.killpg(running.pid, signal.SIGKILL)  # the script, which has lost its kernel's process


def test_a_limit_on_time_ends_both(sim_kernel: KernelProcess, scripts: Path) -> None:
    run = sim_kernel.llmos("run", "--limit", "wall_s=2", str(scripts / "long.py"))
    assert run.returncode == 152
    assert all_ended(sim_kernel)


def test_a_timeout_ends_both(sim_kernel: KernelProcess, scripts: Path) -> None:
    run = sim_kernel.llmos("run", "--timeout", "2", str(scripts / "long.py"))
    assert run.returncode == 124
    assert "did not end in time" in run.stderr
    assert all_ended(sim_kernel)


def test_a_text_that_names_a_file_is_a_text(sim_kernel: KernelProcess, scripts: Path) -> None:
    run = sim_kernel.llmos("run", "explain", str(scripts / "short.py"))
    assert run.stdout.startswith("You said: explain")
    assert sim_kernel.llmos("run", "nowhere.py").stdout == "You said: nowhere.py\n"


def test_the_interactive_shell_runs_one(sim_kernel: KernelProcess, scripts: Path) -> None:
    argv = [sys.executable, "-m", "llmos"]
    with Terminal(argv, env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter(f"run {scripts / 'short.py'} 0")
        terminal.wait_for("You said: hello")
        terminal.enter(f"run {scripts / 'long.py'}")
        terminal.wait_for(r"ready \[\]")
        terminal.send("\x03")
        assert all_ended(sim_kernel)
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
