"""`llmos map`: one agent a file, so many at a time, their answers in the order of the files."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_kernel import RunningFake, fake_kernel
from harness import KernelProcess
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


@pytest.fixture
def folder(sim_kernel: KernelProcess) -> Iterator[Path]:
    """Of five files, in the kernel's root."""
    folder = sim_kernel.root / "docs"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.md").write_text(f"text {number}\n")
    yield folder
    for file in sorted(folder.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    folder.rmdir()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[RunningFake]:
    """Agents that do what the line says, and take their time."""
    with fake_kernel() as fake:
        yield fake


def lines(fake: RunningFake, *arguments: str, input: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LLMOS, "map", "-l", *arguments], env=fake.env, input=input, capture_output=True, text=True
    )


def processes(fake: RunningFake) -> list[dict[str, Any]]:
    run = subprocess.run([*LLMOS, "ps", "--json"], env=fake.env, capture_output=True, text=True)
    listed: list[dict[str, Any]] = json.loads(run.stdout)["processes"]
    return listed


def test_each_file_gets_a_heading_and_its_answer(sim_kernel: KernelProcess, folder: Path) -> None:
    files = [f"docs/{number}.md" for number in range(5)]
    run = sim_kernel.llmos("map", "-j2", "summarise", *files)
    answers = [
        f"==> {file} <==\nYou said: summarise\n\ntext {number}\n"
        for number, file in enumerate(files)
    ]
    assert (run.returncode, run.stdout, run.stderr) == (0, "\n".join(answers), "")


def test_json_lists_what_became_of_each(sim_kernel: KernelProcess, folder: Path) -> None:
    run = sim_kernel.llmos("map", "sum", "docs/0.md", "docs/no.md", "docs", "--json")
    assert (run.returncode, run.stderr) == (1, "")
    document = json.loads(run.stdout)
    assert document["ok"] is False
    good, missing, is_folder = document["results"]
    assert (good["file"], good["status"]) == ("docs/0.md", 0)
    assert good["output"] == "You said: sum\n\ntext 0\n"
    assert good["usage"]["tokens_out"] > 0
    assert (missing["status"], missing["pid"]) == (1, None)
    assert missing["error"]["message"] == "docs/no.md: No such file or directory"
    assert is_folder["error"]["message"] == "docs: Is a directory"
    assert "2 of 3 failed: docs/no.md, docs" in document["error"]["message"]


def test_what_fails_leaves_the_others_alone(sim_kernel: KernelProcess, folder: Path) -> None:
    (folder / "1.md").write_text("x " * 600_000)
    run = sim_kernel.llmos("map", "sum", "docs/0.md", "docs/1.md", "docs/2.md")
    assert run.returncode == 1
    assert "text 0" in run.stdout and "text 2" in run.stdout and "1.md" not in run.stdout
    assert "the text is too long" in run.stderr
    assert "1 of 3 failed: docs/1.md" in run.stderr
    run = sim_kernel.llmos("map", "--limit", "tokens=4", "count 99", "docs/0.md", "docs/2.md")
    assert run.returncode == 1
    assert re.search(r"docs/2.md: process \d+ exited with 152: a limit", run.stderr)


def test_means_are_those_of_run(sim_kernel: KernelProcess, folder: Path) -> None:
    refused = sim_kernel.llmos("map", "--tools", "nosuch", "sum", "docs/0.md", "docs/1.md")
    assert (refused.returncode, refused.stdout) == (127, "")
    assert "nosuch" in refused.stderr
    bounded = sim_kernel.llmos("map", "--budget", "10", "count 1000", "docs/0.md", "--json")
    assert json.loads(bounded.stdout)["results"][0]["status"] == 152


def test_at_most_so_many_at_a_time_in_one_group(sim_kernel: KernelProcess, folder: Path) -> None:
    command = [*LLMOS, "map", "-l", "-j3", "count 300000"]
    with subprocess.Popen(
        command, env=sim_kernel.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin is not None and run.stdout is not None
        run.stdin.write("\n".join(f"line{number}" for number in range(8)))
        run.stdin.close()
        mine: list[dict[str, Any]] = []
        while len(mine) < 3:
            listed = json.loads(sim_kernel.llmos("ps", "--json").stdout)["processes"]
            mine = [info for info in listed if info["name"].startswith("line")]
        assert len(mine) == 3
        assert {info["group"] for info in mine} == {mine[0]["pid"]}
        assert {info["session"] for info in mine} == {mine[0]["pid"]}
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130
    after = json.loads(sim_kernel.llmos("ps", "--json").stdout)["processes"]
    assert not [info for info in after if info["name"].startswith("line")], (
        "all ended, and are reaped"
    )


def test_a_signal_to_the_group_reaches_all(sim_kernel: KernelProcess) -> None:
    command = [*LLMOS, "map", "-l", "-j4", "count 300000", "--json"]
    with subprocess.Popen(
        command, env=sim_kernel.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin is not None and run.stdout is not None
        run.stdin.write("a1\na2\na3\n")
        run.stdin.close()
        mine: list[int] = []
        while len(mine) < 3:
            listed = json.loads(sim_kernel.llmos("ps", "--json").stdout)["processes"]
            mine = [info["pid"] for info in listed if info["name"] in ("a1", "a2", "a3")]
        sim_kernel.llmos("kill", "-9", "--group", str(mine[0]))
        document = json.loads(run.stdout.read())
        assert run.wait(60) == 1
    assert [one["status"] for one in document["results"]] == [137, 137, 137]


def test_lines_of_stdin_are_the_work_too(sim_kernel: KernelProcess) -> None:
    run = sim_kernel.llmos("map", "-l", "say", input="one\n\n two \n")
    assert run.stdout == (
        "==> one <==\nYou said: say\n\none\n\n==> two <==\nYou said: say\n\ntwo\n"
    )
    refused = sim_kernel.llmos("map", "-l", "say", input="\n")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "there are no lines" in refused.stderr


def test_without_files_it_says_what_to_type(sim_kernel: KernelProcess) -> None:
    run = sim_kernel.llmos("map", "summarise")
    assert run.returncode == 2
    assert "there are no files" in run.stderr and "docs/*.md" in run.stderr
    assert "from 1 to 200" in sim_kernel.llmos("map", "-j0", "x", "y").stderr


def test_out_dir_gets_a_file_each(sim_kernel: KernelProcess, folder: Path) -> None:
    run = sim_kernel.llmos("map", "sum", "docs/0.md", "docs/1.md", "--out-dir", "docs/out")
    assert (run.returncode, run.stdout) == (0, "docs/out/0.md\ndocs/out/1.md\n")
    assert (folder / "out" / "1.md").read_text() == "You said: sum\n\ntext 1\n"
    assert sorted(os.listdir(folder / "out")) == ["0.md", "1.md"]
    same = sim_kernel.llmos("map", "sum", "docs/0.md", "--out-dir", "docs")
    assert same.returncode == 2 and "overwritten with its own answer" in same.stderr
    assert (folder / "0.md").read_text() == "text 0\n"
    twice = sim_kernel.llmos("map", "sum", "docs/0.md", "docs/out/0.md", "--out-dir", "docs/new")
    assert twice.returncode == 2 and "would both be written to 0.md" in twice.stderr


def test_a_name_that_would_command_the_terminal_cannot(
    sim_kernel: KernelProcess, folder: Path
) -> None:
    (folder / "\x1b[2Jx\ny.md").write_text("evil")
    run = sim_kernel.llmos("map", "sum", "docs/\x1b[2Jx\ny.md")
    assert run.returncode == 0
    assert run.stdout.startswith("==> docs/␛[2Jx y.md <==\n")


def test_answers_come_in_order_though_a_later_one_is_first(fake: RunningFake) -> None:
    run = lines(fake, "-j3", "slow 12", input="a\nb\nc\n")
    assert re.findall("==> (.) <==", run.stdout) == ["a", "b", "c"]
    assert run.stdout.count("word11") == 3


def test_a_timeout_is_for_each(fake: RunningFake) -> None:
    run = lines(fake, "-j1", "--timeout", "0.3", "slow 4000", "--json", input="a\nb\n")
    assert run.returncode == 1
    results = json.loads(run.stdout)["results"]
    assert [one["status"] for one in results] == [124, 124]
    assert results[0]["error"]["code"] == "ETIME"
    assert processes(fake) == []


@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_closed_pipe_ends_all_of_them_quietly(fake: RunningFake, reader: str) -> None:
    script = (
        f"printf 'a\\nb\\nc\\nd\\n' | {shlex.join(LLMOS)} map -l -j1 'slow 3' | {reader};"
        " exit ${PIPESTATUS[1]}"
    )
    run = subprocess.run(["bash", "-c", script], env=fake.env, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert processes(fake) == []


def test_a_bar_on_the_terminal_tells_how_far_it_is(fake: RunningFake, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text("x")
    with Terminal(
        [*LLMOS, "map", "-j2", "slow 30", *"abc"], env=fake.env, cwd=tmp_path
    ) as terminal:
        terminal.wait_for("0 of 3, 2 at work")
        terminal.wait_for(r"^==> a <==\nword0 word1 ")
        terminal.wait_for("2 of 3, 1 at work")
        assert terminal.wait_exit() == 0
        text = terminal.text()
        assert re.findall("==> (.) <==", text) == ["a", "b", "c"]
        assert "at work" not in text, "nothing of the bar stays"


def test_ctrl_c_ends_all_and_keeps_what_is_done(fake: RunningFake, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text("x")
    with Terminal(
        [*LLMOS, "map", "-j1", "slow 20", *"abc"], env=fake.env, cwd=tmp_path
    ) as terminal:
        terminal.wait_for("==> a <==")
        terminal.interrupt()
        assert terminal.wait_exit() == 130
        text = terminal.text()
    assert "interrupted; 2 of 3 are not done: b, c" in text
    assert "Traceback" not in text
    assert processes(fake) == []
