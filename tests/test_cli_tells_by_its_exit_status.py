"""Scripts can tell by the exit status what happened, and people by stderr."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable

import pytest

from harness import KernelProcess
from llmos.shell.verbs.help import STATUSES
from real import until
from terminal import Terminal

MISTYPED = [
    # (line, exit status, what stderr says)
    ("pss", 127, "did you mean ps?"),
    ("statsu", 127, "did you mean status?"),
    ("quit", 127, "there is no verb 'quit'"),
    ("list my files", 127, 'llmos run "list …"'),
    ("kill", 2, "required: PID"),
    ("kill x", 2, "'x' is not a pid"),
    ("kill 0", 2, "'0' is not a pid"),
    ("kill 4 -s HUP", 2, "'HUP' is not a signal"),
    ("ps --jsn", 2, "did you mean --json?"),
    ("ps 4", 2, "unrecognized arguments: 4"),
    ("wait 4 --timeout soon", 2, "'soon' is not a duration"),
    ("wait 4 --timeout -1", 2, "--timeout"),
    ("run", 2, "there is no text"),
    ("run hi --root /no/such/folder", 2, "is not a folder"),
    ("help pss", 127, "did you mean ps?"),
    ("kill 99999", 1, "no process 99999"),
    ("wait 99999", 1, "no process 99999"),
    ("logs 99999", 1, "no process 99999"),
    ("attach 99999", 1, "no process 99999"),
    ("send 99999 hello", 1, "no process 99999"),
    ("man grepp", 127, "grepp"),
    ("man ps", 127, "llmos help ps"),
    ("man raed_file", 127, "read_file"),
    ("wait 1", 2, "ends with the kernel"),
    ("boot", 1, "already running"),
    ("shell", 2, "needs a terminal"),
    ("", 2, "needs a terminal"),
]


@pytest.mark.parametrize(("line", "status", "words"), MISTYPED, ids=[row[0] for row in MISTYPED])
def test_what_goes_wrong(sim_kernel: KernelProcess, line: str, status: int, words: str) -> None:
    run = sim_kernel.llmos(*line.split())
    assert run.returncode == status, run.stderr
    assert words in run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [row for row in MISTYPED if row[0]],
    ids=[row[0] for row in MISTYPED if row[0]],
)
def test_what_goes_wrong_in_json(
    sim_kernel: KernelProcess, line: str, status: int, words: str
) -> None:
    run = sim_kernel.llmos(*line.split(), "--json")
    assert run.returncode == status
    document = json.loads(run.stdout)
    assert document["ok"] is False
    assert document["error"]["code"].startswith("E")
    assert words in document["error"]["message"] + document["error"]["hint"]
    assert run.stderr == ""


VERBS = [
    *("ps", "status", "run", "spawn", "fork", "exec", "send", "kill", "stop", "cont", "renice"),
    *("setpgid", "wait", "limits", "logs", "man", "plugins", "halt"),
]


@pytest.mark.parametrize("verb", VERBS)
def test_without_a_kernel_every_verb_says_so(verb: str) -> None:
    arguments = {
        **{"run": ["x"], "spawn": ["x"], "send": ["4", "x"], "exec": ["4", "x"]},
        "renice": ["5", "4"],
    }
    takes_pid = ("kill", "stop", "cont", "setpgid", "wait", "logs", "limits", "fork")
    pid = ["4"] if verb in takes_pid else []
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-m", "llmos", verb, *arguments.get(verb, pid)],
            env={
                "LLMOS_STATE_DIR": folder,
                "PATH": "",
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    assert run.returncode == 69
    assert run.stderr == "llmos: no kernel is running (llmos boot starts one)\n"
    assert run.stdout == ""


def test_a_process_gives_its_status(sim_kernel: KernelProcess) -> None:
    pid = sim_kernel.llmos("spawn", "-i").stdout.strip()
    assert sim_kernel.llmos("kill", pid, "-s", "term").returncode == 0
    assert sim_kernel.llmos("wait", pid).returncode == 143
    pid = sim_kernel.llmos("spawn", "-i").stdout.strip()
    assert sim_kernel.llmos("kill", pid, "-s", "SIGKILL").returncode == 0
    assert sim_kernel.llmos("wait", pid).returncode == 137


def test_a_wait_that_takes_too_long_is_given_up(sim_kernel: KernelProcess) -> None:
    pid = sim_kernel.llmos("spawn", "-i").stdout.strip()
    assert sim_kernel.llmos("wait", pid, "--timeout", "0.1").returncode == 124
    document = json.loads(sim_kernel.llmos("wait", pid, "--timeout", "0.1s", "--json").stdout)
    assert document["error"]["code"] == "ETIME"


def test_a_run_that_takes_too_long_is_ended(sim_kernel: KernelProcess) -> None:
    run = sim_kernel.llmos("run", "--timeout", "0.3", "count 100000", "--json")
    assert run.returncode == 124
    document = json.loads(run.stdout)
    assert document["status"] == 124
    pids = [p["pid"] for p in json.loads(sim_kernel.llmos("ps", "--json").stdout)["processes"]]
    assert document["pid"] not in pids, "it was reaped"


def test_help_and_version() -> None:
    for arguments in (["--help"], ["-h"], ["help"], ["--version"], ["ps", "-h"], ["help", "run"]):
        run = subprocess.run(
            [sys.executable, "-m", "llmos", *arguments], capture_output=True, text=True
        )
        assert run.returncode == 0
        assert run.stdout
        assert run.stderr == ""


# ---- the whole table -------------------------------------------------------------------------


def started(kernel: KernelProcess, *arguments: str) -> str:
    return kernel.llmos("spawn", *arguments).stdout.strip()


def killed(kernel: KernelProcess, signal_name: str) -> int:
    pid = started(kernel, "-i")
    kernel.llmos("kill", pid, "-s", signal_name)
    return kernel.llmos("wait", pid).returncode


def without_a_kernel(kernel: KernelProcess) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return kernel.llmos("ps", "--state-dir", folder).returncode


def no_room(kernel: KernelProcess) -> int:
    pid = started(kernel, "-i", "--limit", "children=0")
    return kernel.llmos("spawn", "--parent", pid, "hello").returncode


def unfit(kernel: KernelProcess) -> int:
    (kernel.root / "taken").mkdir(exist_ok=True)
    return kernel.llmos("plugin", "new", "taken").returncode


def interrupted(kernel: KernelProcess) -> int:
    """Ctrl-C, as soon as the first words of the answer are there."""
    run = subprocess.Popen(
        [sys.executable, "-m", "llmos", "run", "--stream", "count 100000"],
        env=kernel.env,
        cwd=kernel.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert run.stdout is not None and run.stdout.read(1) == b"1"
    run.send_signal(signal.SIGINT)
    run.stdout.read()
    return run.wait(60)


def nobody_reads(kernel: KernelProcess) -> int:
    with kernel.wire() as wire:
        pipe = wire.get("pipe")["pipe"]
        task = {"task": "count 100000", "root": str(kernel.root), "stdout": pipe}
        pid = wire.get("spawn", **task)["pid"]
        wire.get("pipe_read", pipe=pipe, limit=10)
        wire.get("pipe_close", pipe=pipe, end="read")
        return kernel.llmos("wait", str(pid)).returncode


def stopped(kernel: KernelProcess) -> int:
    """Ctrl-Z in the interactive shell, which tells the status as part of the document."""
    command = [sys.executable, "-m", "llmos"]
    with Terminal(command, env=kernel.env, cwd=kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("run --json call receive {}")
        with kernel.wire() as wire:
            until(lambda: any(one["waits_for"] == "receive" for one in wire.get("ps")["processes"]))
        terminal.key("ctrl-z")
        text = terminal.wait_for(r"^\}$")
        document = json.loads(text[text.index("\n{") : text.rindex("\n}") + 2])
        assert document["ok"] is False
        kernel.llmos("kill", str(document["pid"]), "-s", "KILL")
    return int(document["status"])


ENDS: dict[int, Callable[[KernelProcess], int]] = {
    0: lambda kernel: kernel.llmos("run", "hello").returncode,
    1: lambda kernel: kernel.llmos("logs", "99999").returncode,
    2: lambda kernel: kernel.llmos("kill", "x").returncode,
    69: without_a_kernel,
    75: no_room,
    77: lambda kernel: kernel.llmos("kill", "1").returncode,
    78: unfit,
    124: lambda kernel: kernel.llmos("run", "--timeout", "0.2", "count 100000").returncode,
    127: lambda kernel: kernel.llmos("pss").returncode,
    130: interrupted,
    137: lambda kernel: killed(kernel, "KILL"),
    141: nobody_reads,
    143: lambda kernel: killed(kernel, "TERM"),
    147: stopped,
    152: lambda kernel: kernel.llmos("run", "--limit", "tokens=30", "count 100000").returncode,
}


@pytest.mark.parametrize("status", ENDS)
def test_each_status_of_the_table_is_given(sim_kernel: KernelProcess, status: int) -> None:
    assert ENDS[status](sim_kernel) == status


def test_help_tells_of_these_and_no_others() -> None:
    assert {int(number) for number in re.findall(r"\b\d+\b", STATUSES)} == set(ENDS)
