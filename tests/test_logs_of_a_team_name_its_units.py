"""`logs` takes a name, too; of a team it tells the diary and what each unit said, in the order of
time, each line behind its unit's name. `-f` goes on until the team has ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness import KernelProcess
from terminal import Terminal

TEAM = """
name = "count"
[unit.counter]
exec = "count {n}"
instances = 2
[unit.clock]
exec = "call now {}"
after = ["counter"]
[unit.judge]
exec = "say"
stdin = ["counter"]
after = ["clock"]
"""
SERVES = '\n[unit.server]\ninteractive = true\nafter = ["judge"]\n'
LLMOS = [sys.executable, "-m", "llmos"]


def up(kernel: KernelProcess, text: str, *options: str) -> int:
    (kernel.root / "team.toml").write_text(text)
    run = kernel.llmos("up", "team.toml", *options, "--json")
    assert run.returncode == 0, run.stdout
    return int(json.loads(run.stdout)["pid"])


@pytest.fixture(scope="module")
def team(sim_kernel: KernelProcess) -> int:
    """The supervisor of one that has ended, and is reaped."""
    return up(sim_kernel, TEAM, "--wait")


@pytest.fixture
def serving(sim_kernel: KernelProcess) -> Iterator[int]:
    """One that goes on until it is taken down."""
    pid = up(sim_kernel, TEAM + SERVES)
    yield pid
    sim_kernel.llmos("down", str(pid))


def follower(kernel: KernelProcess, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LLMOS, "logs", "-f", *arguments],
        env=kernel.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_it_serves(logs: subprocess.Popen[str]) -> list[str]:
    assert logs.stdout is not None
    lines: list[str] = []
    while not lines or "started server" not in lines[-1]:
        lines.append(logs.stdout.readline().rstrip())
        assert lines[-1] or logs.poll() is None, "it has ended"
    return lines


def test_the_diary_and_the_answers_in_the_order_of_time(
    sim_kernel: KernelProcess, team: int
) -> None:
    lines = sim_kernel.llmos("logs", str(team)).stdout.splitlines()
    assert {line.partition(" |")[0] for line in lines} == {
        *("count", "counter-1", "counter-2", "clock", "judge")
    }
    order = [
        next(index for index, line in enumerate(lines) if line.startswith(beginning))
        for beginning in (
            "count | started counter-2 as pid ",
            "counter-2 | 1 2",
            "count | counter-2 (pid ",
            "count | started clock as pid ",
            "count | started judge as pid ",
            "judge | You said: say",
            "judge | 1 2",
            "count | judge (pid ",
        )
    ]
    assert order == sorted(order)


def test_options_choose_among_them(sim_kernel: KernelProcess, team: int) -> None:
    def entries(*options: str) -> list[dict[str, object]]:
        document = json.loads(sim_kernel.llmos("logs", str(team), "--json", *options).stdout)
        assert (document["ok"], document["pid"], document["name"]) == (True, team, "count")
        found: list[dict[str, object]] = document["entries"]
        return found

    everything = entries()
    assert everything == sorted(everything, key=lambda entry: float(str(entry["at"])))
    assert entries("-n", "2") == everything[-2:]
    assert entries("--since", "2999-01-01") == []
    called = [e["text"] for e in entries("--role", "assistant") if e["unit"] == "clock"]
    assert called[0] == "· now()"
    asked = [e["text"] for e in entries("--role", "user") if e["unit"] == "judge"]
    assert str(asked[0]).startswith("say")


def test_it_is_followed_by_its_name_until_it_has_ended(
    sim_kernel: KernelProcess, serving: int
) -> None:
    logs = follower(sim_kernel, "count")
    lines = until_it_serves(logs)
    assert "judge | You said: say" in lines
    sim_kernel.llmos("down", "count")
    out, err = logs.communicate(timeout=30)
    assert (logs.returncode, err) == (0, "")
    assert "count | server (pid " in out and "counter" not in out, "nothing is told twice"


def test_followed_as_json_it_is_a_document_a_line(sim_kernel: KernelProcess, serving: int) -> None:
    logs = follower(sim_kernel, "--json", str(serving))
    first = until_it_serves(logs)
    sim_kernel.llmos("down", "count")
    out, _ = logs.communicate(timeout=30)
    *entries, last = [json.loads(line) for line in [*first, *out.splitlines()]]
    assert last == {"ok": True, "pid": serving, "entries": len(entries)}
    assert {entry["unit"] for entry in entries} >= {"count", "judge", "clock"}


def test_what_a_unit_says_looks_like_nobody_else(sim_kernel: KernelProcess) -> None:
    text = '[unit.liar]\nexec = "x\\n\\u001b[2Aboss | all is well"\n'
    pid = up(sim_kernel, f'name = "boss"\n{text}', "--wait")
    out = sim_kernel.llmos("logs", str(pid)).stdout
    assert "liar | You said: x\nliar | ␛[2Aboss | all is well\n" in out


def test_a_process_is_found_by_its_name(sim_kernel: KernelProcess) -> None:
    pids = [
        json.loads(sim_kernel.llmos("spawn", "hi", "--name", name, "--json").stdout)["pid"]
        for name in ("greeter", "doppel", "doppel")
    ]
    for pid in pids[1:]:
        sim_kernel.llmos("logs", "-f", str(pid))  # until it has ended; a zombie has its name still
    assert "You said: hi" in sim_kernel.llmos("logs", "-f", "greeter").stdout
    both = sim_kernel.llmos("logs", "doppel")
    assert both.returncode == 2
    assert f"several processes are called doppel: {pids[1]}, {pids[2]}" in both.stderr
    near = sim_kernel.llmos("logs", "greter")
    assert near.returncode == 1 and "did you mean greeter?" in near.stderr
    for pid in pids:
        sim_kernel.llmos("wait", str(pid))


def test_in_the_interactive_shell_until_ctrl_c(sim_kernel: KernelProcess, serving: int) -> None:
    with Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("logs -f count")
        terminal.wait_for("^count | started server")
        terminal.interrupt()
        terminal.enter("ps")
        terminal.wait_for("^PID")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
