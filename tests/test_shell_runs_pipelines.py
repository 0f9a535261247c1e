"""Pipelines of agents, files and commands, from the keyboard to the screen."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import KernelProcess
from llmos.shell.errors import UsageError
from llmos.shell.interactive.command_line import is_pipeline, parse
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


@pytest.fixture
def shell(sim_kernel: KernelProcess, tmp_path: Path) -> Iterator[Terminal]:
    """In a folder of its own, before the simulated engine."""
    env = {**sim_kernel.env, "SHELL": "/bin/sh"}
    with Terminal(LLMOS, env=env, cwd=tmp_path, columns=200) as terminal:
        terminal.wait_for("llmos>")
        yield terminal


def enter(shell: Terminal, line: str) -> None:
    """Until the prompt is back."""
    shell.enter(line)
    shell.wait_for(rf"^llmos> {re.escape(line)}\n(.*\n)*llmos>$")


def alive(kernel: KernelProcess) -> int:
    listed = json.loads(kernel.llmos("ps", "--json").stdout)["processes"]
    return sum(info["exit_status"] is None for info in listed)


# ---- reading a line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "is 3 < 4?",
        "what does a | b mean",
        "? run a | b",
        "!ls | sort",
        "!git diff > x",
        'run "is 3 < 4 | 5?"',
        "run what's the use of 'a | b'",
        "run a \\| b",
        "spawn a | b",
        "running a | b",
    ],
)
def test_talk_and_other_commands_are_left_alone(line: str) -> None:
    assert not is_pipeline(line)


@pytest.mark.parametrize(
    "line",
    [
        "run a | run b",
        "run a < f",
        "run a >f",
        "map x *.md",
        "!git diff | run what",
        "pipe a b > f",
    ],
)
def test_verbs_with_pipes_and_files_are_pipelines(line: str) -> None:
    assert is_pipeline(line)


def test_a_line_is_read_into_stages() -> None:
    line = parse(
        "run --name a \"is 1 < 2?\" <in.txt 2>log| !sort -r | uniq |run what's new >> 'my out' &"
    )
    assert line.in_background
    one, two, three = line.stages
    assert one.words == ["run", "--name", "a", "is 1 < 2?"]
    assert one.files == {"<": "in.txt", "2>": "log"}
    assert two.command == "sort -r | uniq"
    assert three.words == ["run", "what's", "new"]
    assert three.files == {">>": "my out"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run a | b", "stage 2 .b.: 'b' can be no part of a pipeline"),
        ("run a | | run b", "stage 2: it is empty"),
        ("run a > x | run b", "stage 1 .*: what it says goes to the next stage"),
        ("run a | run b < x", "stage 2 .*: it reads what the stage before it says"),
        ("run a >", "there is no file after >"),
    ],
)
def test_what_cannot_be_is_refused_by_its_stage(line: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(line)


# ---- at work -----------------------------------------------------------------------------------


def test_talk_that_holds_a_pipe_is_still_talk(shell: Terminal) -> None:
    shell.enter("is 3 < 4? what does a | b mean")
    shell.wait_for(r"^You said: is 3 < 4\? what does a \| b mean$")


def test_a_file_goes_in_and_a_file_comes_out(shell: Terminal, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("the report\n")
    enter(shell, "run summarise < report.txt | run critic > review.md")
    said = "You said: critic\n\nYou said: summarise\n\nthe report\n"
    assert (tmp_path / "review.md").read_text() == said
    shell.enter("run more < report.txt >> review.md &")
    shell.wait_for(r"^\[1\] \d+$")
    shell.wait_for(r"^\[1\] \d+ exited 0$")
    assert (tmp_path / "review.md").read_text() == said + "You said: more\n\nthe report\n"
    assert sorted(os.listdir(tmp_path)) == ["report.txt", "review.md"], "nothing temporary stays"


def test_the_last_stage_is_seen_and_commands_take_part(shell: Terminal) -> None:
    shell.enter("!printf 'b\\na\\n' | run say | !LC_ALL=C sort | tr a-z A-Z")
    shell.wait_for("^YOU SAID: SAY\nA\nB$")
    shell.enter("!echo hello there | run what is new")
    shell.wait_for("^You said: what is new\n\nhello there$")


def test_map_takes_part_and_patterns_expand(shell: Terminal, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.md").write_text(f"text {name}")
    shell.enter("map -j2 sum *.md")
    shell.wait_for(r"^==> b.md <==\nYou said: sum\n\ntext b$")
    enter(shell, "map sum *.md | run merge > all")
    merged = (tmp_path / "all").read_text()
    assert merged.startswith("You said: merge\n\n==> a.md <==\nYou said: sum\n\ntext a\n")


def test_a_failure_names_its_stage_and_leaves_the_file(shell: Terminal, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("as it was")
    shell.enter("run a < nope.txt | run b > old")
    shell.wait_for(r"stage 1 \(run a < nope.txt\): nope.txt: No such file or directory")
    shell.enter("run --limit tokens=5 count 999 | run b > old")
    shell.wait_for("old is as it was: not all of the pipeline succeeded")
    shell.wait_for(r"^exit run --limit tokens=5 count 999: 152: a limit .* \| run b > old: 0$")
    shell.enter("run a > no/such/file")
    shell.wait_for(r"stage 1 .*: cannot write no/such/file: No such file or directory")
    shell.enter("run a | run --tools nosuch b")
    shell.wait_for(r"stage 2 \(run --tools nosuch b\): .*nosuch")
    assert (tmp_path / "old").read_text() == "as it was"
    assert os.listdir(tmp_path) == ["old"]


def test_ctrl_c_ends_all_of_it(shell: Terminal, sim_kernel: KernelProcess, tmp_path: Path) -> None:
    before = alive(sim_kernel)
    shell.enter("run count 200000 | !cat | run b > out")
    while alive(sim_kernel) < before + 2:
        pass
    shell.interrupt()
    shell.wait_for("out is as it was")
    shell.wait_for(r"^llmos>$")
    assert alive(sim_kernel) == before
    assert os.listdir(tmp_path) == []


def test_it_is_one_job(shell: Terminal, sim_kernel: KernelProcess) -> None:
    before = alive(sim_kernel)
    line = "run count 2000 | !tr ' ' '+'"
    shell.enter(line)
    shell.wait_for(r"1\+2\+3\+")
    shell.key("ctrl-z")
    shell.wait_for(rf"^\[1\]\+ stopped  \d+ {re.escape(line)}$")
    shell.enter("jobs")
    shell.wait_for(rf"^\[1\]\+ +stopped +\d+  {re.escape(line)}$")
    shell.enter("fg %1")
    shell.wait_for(r"\+2000\n+llmos>$")
    shell.enter("jobs --json")
    shell.wait_for(r'"jobs": \[\]')
    assert alive(sim_kernel) == before


def test_its_agents_work_on_when_the_shell_is_left(
    shell: Terminal, sim_kernel: KernelProcess
) -> None:
    shell.enter("run count 800 | run --name last sum &")
    shell.wait_for(r"^\[1\] \d+$")
    shell.enter("exit")
    assert shell.wait_exit() == 0
    assert "Traceback" not in shell.text()
    listed = json.loads(sim_kernel.llmos("ps", "--json").stdout)["processes"]
    last = next(info["pid"] for info in listed if info["name"] == "last")
    assert sim_kernel.llmos("wait", str(last)).stdout.endswith(" 799 800\n")
