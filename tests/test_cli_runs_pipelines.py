"""`llmos pipe`: agents in a row, on a real kernel."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

from harness import KernelProcess


def test_each_reads_what_the_one_before_it_says(sim_kernel: KernelProcess) -> None:
    done = sim_kernel.llmos("pipe", "count 5", "and", "then")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "You said: then\n\nYou said: and\n\n1 2 3 4 5\n"


def test_stdin_goes_to_the_first(sim_kernel: KernelProcess) -> None:
    text = " ".join(str(number) for number in range(500))
    done = sim_kernel.llmos("pipe", "say", "--json", input=text)
    document = json.loads(done.stdout)
    assert document["output"].startswith("You said: say\n\n0 1 2 3")
    assert len(document["pids"]) == 1


def test_a_stage_that_fails_gives_its_status(sim_kernel: KernelProcess) -> None:
    done = sim_kernel.llmos("pipe", "count 3", "and", "--root", "/nowhere")
    assert done.returncode == 2
    assert "/nowhere is not a folder" in done.stderr
    done = sim_kernel.llmos("pipe", "count 3", "")
    assert done.returncode == 2
    assert "a stage without a task" in done.stderr


def test_nothing_of_it_stays(sim_kernel: KernelProcess) -> None:
    before = len(json.loads(sim_kernel.llmos("ps", "--json").stdout)["processes"])
    sim_kernel.llmos("pipe", "count 3", "and")
    after = len(json.loads(sim_kernel.llmos("ps", "--json").stdout)["processes"])
    assert before == after


def test_pipes_and_files_of_the_systems_shell_connect_agents(sim_kernel: KernelProcess) -> None:
    (sim_kernel.root / "report.txt").write_text("the report\n")
    llmos = shlex.join([sys.executable, "-m", "llmos"])
    subprocess.run(
        ["bash", "-c", f"{llmos} run summarise < report.txt | {llmos} run critic > review.md"],
        env=sim_kernel.env,
        cwd=sim_kernel.root,
        check=True,
    )
    said = (sim_kernel.root / "review.md").read_text()
    assert said == "You said: critic\n\nYou said: summarise\n\nthe report\n"
