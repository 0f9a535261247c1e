"""Processes are signalled, stopped, continued and reniced from the command line, as in Unix."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from harness import KernelProcess
from llmos.kernel.messages import SignalName
from llmos.kernel.signals import Signal
from llmos.shell.verbs.signalling import SIGNALS


def spawned(kernel: KernelProcess, *arguments: str) -> str:
    return kernel.llmos("spawn", "-i", *arguments).stdout.strip()


def row(kernel: KernelProcess, pid: str) -> dict[str, object]:
    listed = json.loads(kernel.llmos("ps", "--json").stdout)["processes"]
    return next(info for info in listed if info["pid"] == int(pid))


def state(kernel: KernelProcess, pid: str) -> object:
    return row(kernel, pid)["state"]


def becomes(kernel: KernelProcess, pid: str, wanted: str) -> bool:
    """A signal takes effect at the next token: a moment after it is acknowledged."""
    return any(state(kernel, pid) == wanted for _ in range(20))


def test_the_shell_knows_the_kernels_signals() -> None:
    assert set(SIGNALS) == set(get_args(SignalName))
    assert {name: number for name, (number, _) in SIGNALS.items()} == {
        name: Signal[name].value for name in SIGNALS
    }


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("kill {}", 143),
        ("kill -s TERM {}", 143),
        ("kill {} -s sigkill", 137),
        ("kill -s 9 {}", 137),
        ("kill -9 {}", 137),
        ("kill -KILL {}", 137),
        ("kill -SIGKILL {}", 137),
        ("kill --signal=XCPU {}", 152),
        ("kill -24 {}", 152),
    ],
)
def test_a_signal_has_many_names(sim_kernel: KernelProcess, line: str, status: int) -> None:
    pid = spawned(sim_kernel)
    run = sim_kernel.llmos(*line.format(pid).split())
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert sim_kernel.llmos("wait", pid).returncode == status


@pytest.mark.parametrize(
    ("stop", "cont"),
    [
        ("stop {}", "cont {}"),
        ("kill -s STOP {}", "kill -s CONT {}"),
        ("kill -19 {}", "kill -18 {}"),
    ],
)
def test_a_stopped_process_says_so_and_goes_on(
    sim_kernel: KernelProcess, stop: str, cont: str
) -> None:
    pid = spawned(sim_kernel)
    assert sim_kernel.llmos(*stop.format(pid).split()).returncode == 0
    assert becomes(sim_kernel, pid, "stopped")
    listed = sim_kernel.llmos("ps").stdout
    assert f"CONT (cont {pid})" in listed
    assert sim_kernel.llmos(*cont.format(pid).split()).returncode == 0
    assert becomes(sim_kernel, pid, "blocked")
    sim_kernel.llmos("kill", "-9", pid)


def test_many_are_signalled_at_once(sim_kernel: KernelProcess) -> None:
    pids = [spawned(sim_kernel) for _ in range(3)]
    run = sim_kernel.llmos("kill", *pids, pids[0], "--json")
    assert json.loads(run.stdout) == {
        "ok": True,
        "signal": "TERM",
        "to": "process",
        "pids": [int(pid) for pid in pids],
    }
    assert [sim_kernel.llmos("wait", pid).returncode for pid in pids] == [143] * 3


def test_one_that_is_missing_does_not_save_the_others(sim_kernel: KernelProcess) -> None:
    first, last = spawned(sim_kernel), spawned(sim_kernel)
    run = sim_kernel.llmos("kill", first, "99999", last)
    assert run.returncode == 1
    assert "no process 99999" in run.stderr
    assert sim_kernel.llmos("wait", first).returncode == 143
    again = json.loads(sim_kernel.llmos("kill", "99998", last, "--json").stdout)
    assert again["ok"] is False
    assert again["pids"] == [int(last)]
    assert [error["code"] for error in again["errors"]] == ["ESRCH"]
    sim_kernel.llmos("wait", last)


def test_a_tree_falls_together(sim_kernel: KernelProcess) -> None:
    top = spawned(sim_kernel)
    below = spawned(sim_kernel, "--parent", top)
    assert row(sim_kernel, below)["parent"] == int(top)
    assert sim_kernel.llmos("stop", "--tree", top).returncode == 0
    assert becomes(sim_kernel, below, "stopped")
    assert sim_kernel.llmos("cont", "--group", top).returncode == 0
    assert becomes(sim_kernel, below, "blocked"), "a child is in its parent's group"
    assert sim_kernel.llmos("kill", "-9", "--tree", top).returncode == 0
    assert sim_kernel.llmos("wait", top).returncode == 137


def test_usr1_brings_a_message(sim_kernel: KernelProcess) -> None:
    pid = spawned(sim_kernel)
    run = sim_kernel.llmos("kill", "-s", "USR1", "-p", "a word from outside", pid)
    assert (run.returncode, run.stderr) == (0, "")
    assert any("a word from outside" in sim_kernel.llmos("logs", pid).stdout for _ in range(20))
    sim_kernel.llmos("kill", "-9", pid)


def test_the_signals_are_listed(sim_kernel: KernelProcess) -> None:
    text = sim_kernel.llmos("kill", "-l").stdout
    for name, (number, words) in SIGNALS.items():
        assert f"{number:>2}  {name}" in text
        assert words in text
    listed = json.loads(sim_kernel.llmos("kill", "-l", "--json").stdout)["signals"]
    assert {"signal": "STOP", "number": 19} in listed


def test_renice_takes_many(sim_kernel: KernelProcess) -> None:
    first, last = spawned(sim_kernel), spawned(sim_kernel, "--nice", "-3")
    assert row(sim_kernel, last)["nice"] == -3
    run = sim_kernel.llmos("renice", "-5", first, last, "--json")
    assert json.loads(run.stdout) == {"ok": True, "nice": -5, "pids": [int(first), int(last)]}
    assert [row(sim_kernel, pid)["nice"] for pid in (first, last)] == [-5, -5]
    assert " NI " in sim_kernel.llmos("ps").stdout
    sim_kernel.llmos("kill", "-9", first, last)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("kill -s STPO 4", "did you mean STOP?"),
        ("kill -s SIGHUP 4", "'SIGHUP' is not a signal"),
        ("kill -s 99 4", "kill -l lists them"),
        ("kill -HUP 4", "unrecognized arguments: -HUP"),
        ("kill -s TERM -p text 4", "USR1 does"),
        ("kill --tree --group 4", "exclude each other"),
        ("kill -9", "required: PID"),
        ("stop", "required: PID"),
        ("cont x", "'x' is not a pid"),
        ("renice 20 4", "-20 (first) to 19 (last)"),
        ("renice fast 4", "'fast' is not a nice value"),
        ("renice 5", "required: PID"),
        ("setpgid", "required: PID"),
        ("setpgid 4 x", "'x' is not a pid"),
        ("setpgid 4 5 --session", "GROUP and --session exclude each other"),
    ],
)
def test_what_is_mistyped_is_told(sim_kernel: KernelProcess, line: str, words: str) -> None:
    run = sim_kernel.llmos(*line.split())
    assert run.returncode == 2, run.stderr
    assert words in run.stderr
    document = json.loads(sim_kernel.llmos(*line.split(), "--json").stdout)
    assert document["ok"] is False and document["error"]["code"] == "EUSAGE"


@pytest.mark.parametrize(
    "line", ["kill 1", "stop 1", "renice 5 1", "setpgid 1", "fork 1", "exec 1 x"]
)
def test_the_first_process_is_left_alone(sim_kernel: KernelProcess, line: str) -> None:
    run = sim_kernel.llmos(*line.split())
    assert run.returncode == 77
    assert "ends with the kernel" in run.stderr
