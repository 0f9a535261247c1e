"""Stdout is for data: it pipes, it parses, and it carries nothing that a terminal would obey."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time

import pytest

from fake_kernel import fake_kernel
from harness import KernelProcess
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


def pipeline(kernel: KernelProcess, command: str) -> subprocess.CompletedProcess[str]:
    """A command line of the system's shell, in which `llmos` is ours."""
    script = f'llmos() {{ {shlex.join(LLMOS)} "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", script],
        env=kernel.env | {"PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_run_prints_the_answer_alone(sim_kernel: KernelProcess) -> None:
    run = sim_kernel.llmos("run", "hello", "there")
    assert (run.returncode, run.stdout, run.stderr) == (0, "You said: hello there\n", "")


def test_the_prompt_instructs_and_stdin_is_context(sim_kernel: KernelProcess) -> None:
    run = sim_kernel.llmos("run", "summarise", input="some data\n")
    assert run.stdout == "You said: summarise\n\nsome data\n"


@pytest.mark.parametrize("arguments", [["run"], ["run", "-"]])
def test_stdin_alone_is_the_prompt(sim_kernel: KernelProcess, arguments: list[str]) -> None:
    assert sim_kernel.llmos(*arguments, input="hello").stdout == "You said: hello\n"


def test_syscalls_are_told_on_stderr_only_when_asked_for(sim_kernel: KernelProcess) -> None:
    (sim_kernel.root / "a.txt").write_text("content of a")
    task = 'call read_file {"path": "a.txt"}'
    quiet = sim_kernel.llmos("run", task)
    assert "content of a" in quiet.stdout
    assert quiet.stderr == ""
    verbose = sim_kernel.llmos("run", "-v", task)
    assert verbose.stdout == quiet.stdout
    assert '· read_file(path="a.txt")  ✓ ' in verbose.stderr


@pytest.mark.parametrize("reader", ["head -1", "head -c 5", "true"])
@pytest.mark.parametrize(
    "verb", ["man read_file", "help", "run --stream count 3000", "status", "ps", "logs 1"]
)
def test_a_closed_pipe_ends_it_quietly(sim_kernel: KernelProcess, verb: str, reader: str) -> None:
    run = pipeline(sim_kernel, f"llmos {verb} | {reader}; exit ${{PIPESTATUS[0]}}")
    assert run.stderr == ""
    assert run.returncode == 0


def test_a_closed_stdout_is_no_error(sim_kernel: KernelProcess) -> None:
    run = pipeline(sim_kernel, "llmos ps >&-")
    assert (run.returncode, run.stderr) == (0, "")


def test_shell_scripts_read_like_unix(sim_kernel: KernelProcess) -> None:
    run = pipeline(
        sim_kernel, "p=$(llmos spawn count 5) && llmos wait $p && llmos ps --json | grep -c pid"
    )
    assert run.stdout.startswith("1 2 3 4 5\n")
    assert run.returncode == 0


@pytest.mark.parametrize(
    "line",
    [
        "ps",
        "status",
        "plugins",
        "man",
        "man calculate",
        "help",
        "help run",
        "logs 1",
        "run hello",
        "run call nosuch",
        "spawn hello",
    ],
)
def test_json_is_one_document(sim_kernel: KernelProcess, line: str) -> None:
    run = sim_kernel.llmos(*line.split(), "--json")
    assert json.loads(run.stdout)["ok"] is (run.returncode == 0)
    assert run.stderr == ""


def test_nothing_raw_reaches_the_terminal() -> None:
    attack = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202evil\x7f ok"
    with fake_kernel() as fake:
        task = f"raw {attack.encode().hex()}"
        run = subprocess.run(
            [*LLMOS, "run", task],
            env=fake.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert run.stdout == "␛]0;owned␇␛[2J\ufffd31m\ufffdvil␡ ok\n"
        with Terminal([*LLMOS, "run", task], env=fake.env) as terminal:
            terminal.wait_for("ok")
            assert terminal.wait_exit() == 0
            assert b"\x1b]0;owned" not in terminal.raw
            assert b"\x1b[2J" not in terminal.raw
        as_json = subprocess.run(
            [*LLMOS, "run", "--json", task],
            env=fake.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert as_json.stdout.isascii() and "\x1b" not in as_json.stdout
        assert json.loads(as_json.stdout)["output"] == attack


def test_no_colour_where_it_is_not_wanted() -> None:
    with fake_kernel() as fake:
        with Terminal([*LLMOS, "run", "tool"], env=fake.env) as terminal:
            assert terminal.wait_exit() == 0
            assert b"\x1b[" not in terminal.raw
        with Terminal([*LLMOS, "run", "tool"], env=fake.env | {"NO_COLOR": ""}) as terminal:
            assert terminal.wait_exit() == 0
            assert b"\x1b[2m" in terminal.raw


def test_ctrl_c_interrupts_the_process_and_keeps_what_was_said() -> None:
    with fake_kernel() as fake, Terminal([*LLMOS, "run", "slow 400"], env=fake.env) as terminal:
        terminal.wait_for("word3")
        began = time.monotonic()
        terminal.interrupt()
        assert terminal.wait_exit() == 130
        assert time.monotonic() - began < 2
        assert "word3" in terminal.text()
        assert "Traceback" not in terminal.text()


def test_a_kernel_that_dies_within_a_run_says_how_to_go_on() -> None:
    with fake_kernel() as fake:
        run = subprocess.run(
            [*LLMOS, "run", "die"],
            env=fake.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    assert run.returncode == 69
    assert "llmos wait 2" in run.stderr
