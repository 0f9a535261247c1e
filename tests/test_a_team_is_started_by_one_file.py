"""`llmos up team.toml` starts what the file describes, `down` ends it, and a mistake in the file is
told with its line."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import KernelProcess
from llmos.shell.team import _TOP, _UNIT, Team

TEAM = """
name = "count"

[unit.counter]
exec = "count {n}"
instances = 2

[unit.judge]
exec = "say"
stdin = ["counter"]
limits = { tokens = "10k" }

[unit.printer]
exec = "print"
after = ["judge"]
"""
SERVES = """
[unit.server]
interactive = true

[unit.user]
exec = "hello"
after = ["server"]
"""


def write(kernel: KernelProcess, text: str, name: str = "team.toml") -> str:
    path = kernel.root / name
    path.write_text(text)
    return str(path)


def test_units_start_in_their_order_and_what_nobody_reads_is_the_output(
    sim_kernel: KernelProcess,
) -> None:
    path = write(sim_kernel, TEAM)
    up = sim_kernel.llmos("up", path, "--wait", "-v")
    assert up.returncode == 0, up.stderr
    assert up.stdout == "== judge\nYou said: say\n\n1\n\n1 2\n== printer\nYou said: print\n"
    told = [line for line in up.stderr.splitlines() if line.startswith("started")]
    assert [line.split()[1] for line in told] == ["counter-1", "counter-2", "judge", "printer"]
    document = json.loads(sim_kernel.llmos("up", path, "--wait", "--json").stdout)
    assert document["ok"] and document["name"] == "count"
    assert document["units"]["counter-2"]["output"] == "1 2"


def ps(kernel: KernelProcess) -> list[dict[str, object]]:
    with kernel.wire() as wire:
        processes: list[dict[str, object]] = wire.get("ps")["processes"]
        return processes


def test_a_team_is_up_once_and_goes_down_by_name_file_or_pid(sim_kernel: KernelProcess) -> None:
    path = write(sim_kernel, SERVES, "serves.toml")
    for by in ("serves", path, None):
        up = sim_kernel.llmos("up", path)
        assert up.returncode == 0, up.stderr
        pid = int(up.stdout)
        again = sim_kernel.llmos("up", path)
        assert again.returncode == 1
        assert f"the team serves is up already (pid {pid})" in again.stderr
        down = sim_kernel.llmos("down", by or str(pid))
        assert down.stdout == f"the team serves (pid {pid}) has ended\n", down.stderr
        assert not [
            one for one in ps(sim_kernel) if one["parent"] == pid and one["exit_status"] is None
        ]
    gone = sim_kernel.llmos("down", "serves")
    assert gone.returncode == 1 and "there is no team 'serves' that is up" in gone.stderr


def test_a_team_that_fails_exits_with_1_and_says_why(sim_kernel: KernelProcess) -> None:
    failing = '[unit.a]\nexec = "hello"\nrestart = "never"\nlimits = { tokens = 1 }\n'
    path = write(sim_kernel, failing + '[unit.b]\nexec = "x"\nafter = "a"\n', "fails.toml")
    up = sim_kernel.llmos("up", path, "--wait")
    assert up.returncode == 1
    assert "b never started: a failed" in up.stderr


def test_a_team_outlives_the_kernel(own_kernel: KernelProcess) -> None:
    own_kernel.start()
    pid = int(own_kernel.llmos("up", write(own_kernel, SERVES, "serves.toml")).stdout)
    own_kernel.kill9()
    own_kernel.start()
    again = own_kernel.llmos("up", str(own_kernel.root / "serves.toml"))
    assert f"is up already (pid {pid})" in again.stderr
    assert own_kernel.llmos("down", "serves").returncode == 0


def test_ctrl_c_while_waiting_ends_the_team(sim_kernel: KernelProcess) -> None:
    path = write(sim_kernel, SERVES, "served.toml")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "llmos", "up", path, "--wait", "-v"],
        env=sim_kernel.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    while "started user" not in waiting.stderr.readline():
        assert waiting.poll() is None
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert sim_kernel.llmos("down", "served").returncode == 1


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "there is no unit: it begins with [unit.NAME]"),
        ("[unit.a]\nexec = ", 2, "this is no TOML"),
        ("[unit.a]\nexec = 7", 2, "exec: 7 is not a text"),
        ("[unit.a]\n\n[unit.b]\nexec = 'x'", 1, "exec: what is it to do?"),
        ("[unit.a]\nexec = 'x'\nexce = 'y'", 3, "there is no key 'exce'; did you mean exec?"),
        ("[unit.a]\nexec = 'x'\nrestart = 'alway'", 3, "did you mean always?"),
        ("[unit.a]\nexec = 'x'\ninstances = 0", 3, "instances: 0 is not from 1 to 256"),
        ("[unit.a]\nexec = 'x'\nafter = ['b']", 3, "there is no unit 'b'"),
        ("[unit.a]\nexec = 'x'\nstdin = ['aa']", 3, "there is no unit 'aa'; did you mean a?"),
        ("[unit.a]\nexec = 'x'\nlimits = {token = 1}", 3, "there is no limit 'token'"),
        ("[unit.a]\nexec = 'x'\nlimits = {tokens = '10q'}", 3, "'10q' is not an amount"),
        ("[unit.a]\nexec = 'x'\ntimeout = 'soon'", 3, "'soon' is not a duration"),
        ("[unit.'a b']\nexec = 'x'", 1, "'a b' is not a name"),
        ("root = 'nowhere'\n[unit.a]\nexec = 'x'", 1, "is not a folder"),
        ("strategy = 'one'\n[unit.a]\nexec = 'x'", 1, "'one' is none of one-for-one"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "team.toml"
    path.write_text(text)
    up = subprocess.run(
        [sys.executable, "-m", "llmos", "up", "--check", str(path)], capture_output=True, text=True
    )
    assert up.returncode == 2
    assert up.stderr.startswith(f"llmos: {path}:{line}: "), up.stderr
    assert words in up.stderr


def test_who_waits_for_whom_in_a_circle_is_refused_by_the_kernel(sim_kernel: KernelProcess) -> None:
    circle = "[unit.a]\nexec = 'x'\nafter = 'b'\n[unit.b]\nexec = 'x'\nafter = 'a'\n"
    up = sim_kernel.llmos("up", write(sim_kernel, circle, "circle.toml"))
    assert up.returncode == 2 and "nobody can begin: " in up.stderr


def test_the_team_of_the_page_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "teams.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "digest.toml").write_text(text)
    team = Team(str(tmp_path / "digest.toml"), text)
    assert {name: len(children) for name, children in team.units.items()} == {
        "reader": 3,
        "writer": 1,
        "filer": 1,
    }
    keys = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    told = {key for row in keys for key in re.findall(r"`(\w+)`", row)}
    assert told == {*_TOP, *_UNIT} - {"unit"}
