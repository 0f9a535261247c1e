"""Run, spawn, fork and exec say how much a process may use, and ps and limits show it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness import KernelProcess
from llmos.kernel import limits as kernel_limits
from llmos.shell import arguments


def rows(kernel: KernelProcess, *arguments: str) -> dict[int, dict[str, Any]]:
    listed = json.loads(kernel.llmos("ps", *arguments, "--json").stdout)["processes"]
    return {info["pid"]: info for info in listed}


def spawned(kernel: KernelProcess, *arguments: str) -> int:
    run = kernel.llmos("spawn", *arguments)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def test_the_shell_knows_the_kernels_resources() -> None:
    assert arguments.RESOURCES == kernel_limits.RESOURCES


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ("tokens=1000", {"tokens": [1000, 1000]}),
        ("tokens=800:1k", {"tokens": [800, 1000]}),
        ("tokens=1.5m", {"tokens": [1_500_000, 1_500_000]}),
        ("wall_s=50s:1m", {"wall_s": [50, 60]}),
        ("engine_s=2h", {"engine_s": [7200, 7200]}),
        ("pages=:200", {"pages": [200, 200]}),
        ("pages=100:", {"pages": [100, None]}),
        ("children=0", {"children": [0, 0]}),
    ],
)
def test_a_limit_is_an_amount_or_two(
    sim_kernel: KernelProcess, given: str, limits: dict[str, Any]
) -> None:
    pid = spawned(sim_kernel, "-i", "--limit", given)
    assert rows(sim_kernel)[pid]["limits"] == limits
    sim_kernel.llmos("kill", "-9", str(pid))


def test_means_are_seen_in_ps_and_limits(sim_kernel: KernelProcess) -> None:
    means = (
        "--nice 5 --budget 10k --limit tokens=2k:3k --limit wall_s=1h --tools calculate,list_files"
    )
    pid = spawned(sim_kernel, "-i", "--name", "bounded", *means.split())
    info = rows(sim_kernel)[pid]
    assert (info["nice"], info["budget"]) == (5, 10_000)
    assert info["limits"] == {"tokens": [2000, 3000], "wall_s": [3600, 3600]}
    assert info["group"] == info["session"] == pid
    long = sim_kernel.llmos("ps", "-l").stdout
    assert all(word in long for word in ("GROUP", "SESSION", "NICE", "BUDGET", "LEFT", "LIMITS"))
    assert "tokens=2000:3000 wall_s=3600" in long
    text = sim_kernel.llmos("limits", str(pid)).stdout
    assert [line.split() for line in text.splitlines() if line.startswith("tokens")] == [
        ["tokens", "0", "2,000", "3,000"]
    ]
    assert "1 h 0 min" in text
    document = json.loads(sim_kernel.llmos("limits", str(pid), "--json").stdout)
    assert document["budget"] == 10_000
    assert document["used"]["tokens"] == 0
    sim_kernel.llmos("kill", "-9", str(pid))


def test_a_limit_that_is_reached_is_the_status(sim_kernel: KernelProcess) -> None:
    run = sim_kernel.llmos("run", "--limit", "tokens=5", "count 1000", "--json")
    assert run.returncode == 152
    document = json.loads(run.stdout)
    assert document["status"] == 152
    assert "limit" in document["error"]["message"]


def test_a_budget_that_is_spent_is_the_status(sim_kernel: KernelProcess) -> None:
    assert sim_kernel.llmos("run", "--budget", "20", "count 1000").returncode == 152


def test_the_tools_of_a_process_are_its_own(sim_kernel: KernelProcess) -> None:
    refused = sim_kernel.llmos("run", "--tools", "calculat", "hello")
    assert refused.returncode == 127
    assert "calculate" in refused.stderr
    assert sim_kernel.llmos("run", "--tools", "calculate,list_files", "hello").returncode == 0
    assert sim_kernel.llmos("run", "--tools", "", "hello").returncode == 0


def test_a_fork_knows_what_its_parent_knows(sim_kernel: KernelProcess) -> None:
    parent = spawned(sim_kernel, "-i", "remember me")
    assert any("You said" in sim_kernel.llmos("logs", str(parent)).stdout for _ in range(20))
    run = sim_kernel.llmos("fork", str(parent), "what now", "--name", "twin", "-i")
    child = int(run.stdout)
    info = rows(sim_kernel)[child]
    assert (info["parent"], info["name"]) == (parent, "twin")
    told = ""
    for _ in range(20):
        told = sim_kernel.llmos("logs", str(child)).stdout
        if "You said: what now" in told:
            break
    assert "remember me" in told and "You said: what now" in told
    document = json.loads(sim_kernel.llmos("fork", str(parent), "-i", "--json").stdout)
    assert document["parent"] == parent and document["pid"] > child
    sim_kernel.llmos("kill", "-9", "--tree", str(parent))


def test_exec_begins_anew(sim_kernel: KernelProcess) -> None:
    pid = str(spawned(sim_kernel, "-i", "the old task"))
    assert any("You said" in sim_kernel.llmos("logs", pid).stdout for _ in range(20))
    run = sim_kernel.llmos("exec", pid, "the", "new", "task", "--name", "new")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert any("You said: the new task" in sim_kernel.llmos("logs", pid).stdout for _ in range(20))
    assert "the old task" not in sim_kernel.llmos("logs", pid).stdout
    assert rows(sim_kernel)[int(pid)]["name"] == "new"
    piped = sim_kernel.llmos("exec", pid, input="from a pipe")
    assert piped.returncode == 0
    sim_kernel.llmos("kill", "-9", pid)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run x --limit tokns=5", "did you mean tokens?"),
        ("run x --limit tokens", "names no amount"),
        ("run x --limit tokens=", "names no amount"),
        ("run x --limit tokens=:", "names no amount"),
        ("run x --limit tokens=many", "'many' is not an amount (try 500 or 10k)"),
        ("run x --limit tokens=-5", "is not an amount"),
        ("run x --limit tokens=nan", "is not an amount"),
        ("run x --limit wall_s=5x", "'5x' is not a duration (try 90s or 5m)"),
        ("run x --limit tokens=9:5", "the soft limit is above the hard one"),
        ("spawn x --budget 0", "'0' is not a number of tokens"),
        ("spawn x --budget 1.5", "'1.5' is not a number of tokens"),
        ("spawn x --budget lots", "try 500, 10k or 1m"),
        ("spawn x --nice 99", "-20 (first) to 19 (last)"),
        ("spawn x --nice 1.5", "is not a nice value"),
        ("spawn x --parent me", "'me' is not a pid"),
        ("fork", "required: PID"),
        ("fork 4 --budget x", "is not a number of tokens"),
        ("exec 4", "there is no text"),
        ("ps --sort speed", "there is no column 'speed'"),
        ("ps --sort agee", "did you mean age?"),
        ("ps --state stoped", "did you mean stopped?"),
        ("ps --group x", "'x' is not a pid"),
        ("limits", "required: PID"),
    ],
)
def test_what_is_mistyped_is_told(sim_kernel: KernelProcess, line: str, words: str) -> None:
    run = sim_kernel.llmos(*line.split())
    assert run.returncode == 2, run.stderr
    assert words in run.stderr
    assert run.stdout == ""
    document = json.loads(sim_kernel.llmos(*line.split(), "--json").stdout)
    assert document["error"]["code"] == "EUSAGE"


@pytest.mark.parametrize("line", ["fork 99999", "exec 99999 x", "renice 3 99999", "limits 99999"])
def test_a_process_that_is_not_there(sim_kernel: KernelProcess, line: str) -> None:
    run = sim_kernel.llmos(*line.split())
    assert run.returncode == 1
    assert "no process 99999" in run.stderr


def test_a_parent_that_is_not_there(sim_kernel: KernelProcess) -> None:
    run = sim_kernel.llmos("spawn", "x", "--parent", "99999")
    assert run.returncode == 1
    assert "99999" in run.stderr
