"""Jobs of the interactive shell: `&`, jobs, fg, bg, Ctrl-Z, from the keyboard to the screen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fake_kernel import RunningFake, fake_kernel
from harness import KernelProcess
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]
PROMPT = "^llmos>$"


@pytest.fixture
def fake() -> Iterator[RunningFake]:
    with fake_kernel() as fake:
        yield fake


@pytest.fixture
def shell(fake: RunningFake) -> Iterator[Terminal]:
    """A shell before agents that do what they are told."""
    with Terminal(LLMOS, env=fake.env, columns=500) as terminal:
        terminal.wait_for("llmos>")
        yield terminal


def llmos(fake: RunningFake, *arguments: str) -> str:
    return subprocess.run(
        [*LLMOS, *arguments], env=fake.env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    ).stdout


def states(fake: RunningFake) -> dict[int, str]:
    listed = json.loads(llmos(fake, "ps", "--json"))["processes"]
    return {info["pid"]: info["state"] for info in listed}


# ---- & -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["slow 4 &", "run slow 4 &", "spawn slow 4 &", "run --name x --nice 3 slow 4 &"]
)
def test_a_task_goes_into_the_background(shell: Terminal, line: str) -> None:
    shell.enter(line)
    shell.wait_for(r"^\[1\] 2$")
    shell.send("half a li")
    shell.wait_for(r"^\[1\] 2 exited 0: word0 word1 word2 word3$")
    shell.wait_for("^llmos> half a li$")


def test_jobs_are_numbered_and_listed(shell: Terminal) -> None:
    shell.enter("jobs")
    shell.enter("slow 400 &")
    shell.wait_for(r"^\[1\] 2$")
    shell.enter("slow 500 &")
    shell.wait_for(r"^\[2\] 3$")
    shell.enter("jobs")
    text = shell.wait_for(r"^\[2\]\+ +running +3  slow 500$")
    assert re.search(r"^\[1\]- +running +2  slow 400$", text, re.MULTILINE)
    shell.enter("kill 2 3")
    shell.wait_for(r"^\[1\] 2 exited 143, ended from outside \(TERM\)$")
    shell.wait_for(r"^\[2\] 3 exited 143")
    shell.enter("fg")
    shell.wait_for("there are no jobs")


def test_spawned_and_forked_processes_are_jobs_too(shell: Terminal) -> None:
    shell.enter("spawn -i")
    shell.wait_for("^2$")
    shell.enter("fork 2 slow 400")
    shell.wait_for("^3$")
    shell.enter("jobs --json")
    text = shell.wait_for('"name": "slow 400"')
    document = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert [(job["job"], job["pid"], job["mark"]) for job in document["jobs"]] == [
        (1, 2, "-"),
        (2, 3, "+"),
    ]


def test_only_a_task_goes_into_the_background(shell: Terminal) -> None:
    shell.enter("wait 4 &")
    shell.wait_for("wait does not go into the background")
    shell.enter("&")
    shell.wait_for("there is no task before the &")
    shell.enter("run --timeout 5s slow 3 &")
    shell.wait_for("--limit wall_s=5 ends it too")
    shell.enter("? tom &")
    shell.wait_for("^you said: tom &$")


# ---- Ctrl-Z, fg, bg ----------------------------------------------------------------------------


def test_ctrl_z_stops_the_agent_and_fg_goes_on(shell: Terminal, fake: RunningFake) -> None:
    shell.enter("slow 40")
    shell.wait_for("word3")
    shell.key("ctrl-z")
    shell.wait_for(r"^\[1\]\+ stopped  2 shell$")
    shell.wait_for(PROMPT)
    assert states(fake) == {2: "stopped"}
    shell.enter("jobs")
    shell.wait_for(r"^\[1\]\+ +stopped +2  shell$")
    shell.enter("fg")
    text = shell.wait_for("word39")
    words = re.findall(r"word(\d+)", text)
    assert words == [str(number) for number in range(40)], "nothing is missing, nothing twice"
    shell.wait_for(PROMPT)
    shell.enter("jobs --json")
    shell.wait_for(r'"jobs": \[\]')


def test_bg_lets_it_go_on_and_tells_the_answer(shell: Terminal) -> None:
    shell.enter("slow 20")
    shell.wait_for("word3")
    shell.key("ctrl-z")
    shell.wait_for(r"^\[1\]\+ stopped")
    shell.enter("bg %1")
    shell.wait_for(r"^\[1\]\+ 2 shell &$")
    shell.send("half a li")
    shell.wait_for(r"^\[1\] 2 done:$")
    text = shell.wait_for("^llmos> half a li$")
    assert text.count("word19") == 1


def test_fg_catches_up_with_what_was_said_in_the_background(shell: Terminal) -> None:
    shell.enter("slow 60")
    shell.wait_for("word3")
    shell.key("ctrl-z")
    shell.wait_for(r"^\[1\]\+ stopped")
    shell.enter("bg")
    shell.enter("help fg")
    shell.wait_for("usage: fg")
    shell.enter("fg 2")
    text = shell.wait_for("word59")
    words = re.findall(r"word(\d+)", text)
    assert words == [str(number) for number in range(60)]


def test_ctrl_c_after_fg_interrupts(shell: Terminal) -> None:
    shell.enter("slow 400")
    shell.wait_for("word3")
    shell.key("ctrl-z")
    shell.wait_for(r"^\[1\]\+ stopped")
    shell.enter("fg")
    shell.wait_for("word9")
    shell.interrupt()
    shell.wait_for("^interrupted")
    shell.enter("say still here")
    shell.wait_for("^still here")


def test_a_run_can_be_stopped_and_brought_back(shell: Terminal, fake: RunningFake) -> None:
    shell.enter("run slow 30")
    shell.wait_for("word3")
    shell.key("ctrl-z")
    shell.wait_for(r"^\[1\]\+ stopped  2 agent$")
    shell.wait_for(PROMPT)
    assert states(fake) == {2: "stopped"}
    shell.enter("fg %1")
    shell.wait_for("word29 ?\nllmos>$")
    words = re.findall(r"word(\d+)", shell.text())
    assert words == [str(number) for number in range(30)], "the two halves are the answer"
    assert states(fake) == {}, "its status was taken"
    assert len(re.findall("exited", shell.text())) == 0, "no news of what was seen"


def test_fg_of_a_background_job_shows_all_of_its_answer(shell: Terminal) -> None:
    shell.enter("slow 30 &")
    shell.wait_for(r"^\[1\] 2$")
    shell.enter("fg %+")
    shell.wait_for("^word0 word1 .*word29")
    shell.enter("jobs --json")
    shell.wait_for(r'"jobs": \[\]')


def test_ctrl_c_after_fg_ends_a_task(shell: Terminal) -> None:
    shell.enter("slow 400 &")
    shell.wait_for(r"^\[1\] 2$")
    shell.enter("fg")
    shell.wait_for("word5")
    shell.interrupt()
    shell.wait_for(r"^\[2\] exit 130: interrupted \(INT\)$")
    shell.enter("jobs --json")
    shell.wait_for(r'"jobs": \[\]')


def test_a_stopped_agent_stays_a_job_while_another_is_talked_to(shell: Terminal) -> None:
    shell.enter("slow 40")
    shell.wait_for("word3")
    shell.key("ctrl-z")
    shell.wait_for(r"^\[1\]\+ stopped  2 shell$")
    shell.enter("spawn -i --name ada")
    shell.wait_for("^3$")
    shell.enter("attach 3")
    shell.wait_for(r"^attached to process 3 \(ada\)")
    shell.enter("say I am ada")
    shell.wait_for("^I am ada")
    shell.enter("jobs")
    shell.wait_for(r"^\[1\]\+ +stopped +2  shell$")
    shell.enter("fg %1")
    shell.wait_for(r"^attached to process 2 \(shell\)")
    shell.wait_for("word39")
    shell.enter("say it is me")
    shell.wait_for("^it is me")


def test_a_stopped_agent_outlives_the_kernel(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    with Terminal(LLMOS, env=own_kernel.env, cwd=own_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("count 5000")
        terminal.wait_for(" 100 ")
        terminal.key("ctrl-z")
        terminal.wait_for(r"^\[1\]\+ stopped  \d+ shell$")
        terminal.enter("ps --state stopped")
        terminal.wait_for(" stopped .* shell ")
        own_kernel.kill9()
        terminal.wait_for("^the kernel is gone")
        own_kernel.start().ready()
        terminal.wait_for("^the kernel is back")
        terminal.enter("jobs")
        terminal.wait_for(r"^\[1\]\+ +stopped +\d+  shell$")
        terminal.enter("fg")
        terminal.wait_for(r"4999\s+5000", 60)
        terminal.enter("still here?")
        terminal.wait_for("^You said: still here")


def test_a_job_that_is_stopped_from_elsewhere_is_news(shell: Terminal, fake: RunningFake) -> None:
    shell.enter("slow 400 &")
    shell.wait_for(r"^\[1\] 2$")
    llmos(fake, "kill", "-s", "STOP", "2")
    shell.wait_for(r"^\[1\]\+ stopped  2 slow 400$")
    shell.enter("bg")
    shell.wait_for(r"^\[1\]\+ 2 slow 400 &$")
    llmos(fake, "stop", "2")
    shell.wait_for(r"^\[1\]\+ stopped  2 slow 400$", count=2)


def test_an_agent_that_is_stopped_from_elsewhere_gives_the_prompt_back(
    shell: Terminal, fake: RunningFake
) -> None:
    shell.enter("slow 400")
    shell.wait_for("word3")
    llmos(fake, "stop", "2")
    shell.wait_for(r"^\[1\]\+ stopped  2 shell$")
    shell.wait_for(PROMPT)
    llmos(fake, "cont", "2")
    shell.enter("kill -INT 2")
    shell.wait_for(r"^\[1\] 2 done:")


def test_what_is_said_to_a_stopped_agent_waits(shell: Terminal) -> None:
    shell.enter("say hello")
    shell.wait_for("^hello")
    shell.enter("kill -s STOP 2")
    shell.wait_for(r"^\[1\]\+ stopped  2 shell$")
    shell.enter("say later")
    shell.wait_for("process 2 is stopped: fg lets it go on and read this")
    shell.enter("fg")
    shell.wait_for("^later")


def test_ctrl_z_at_the_prompt_does_nothing(shell: Terminal) -> None:
    shell.send("help f")
    shell.key("ctrl-z")
    shell.enter("g")
    shell.wait_for("usage: fg")


def test_a_job_is_named_as_in_unix(shell: Terminal) -> None:
    shell.enter("slow 400 &")
    shell.wait_for(r"^\[1\] 2$")
    shell.enter("fg 1")
    shell.wait_for(r"there is no job 1")
    shell.wait_for(r"there are %1 \(pid 2\)")
    shell.enter("bg %7")
    shell.wait_for("there is no job %7")


def test_ctrl_z_stops_a_real_turn(sim_kernel: KernelProcess) -> None:
    with Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("count 5000")
        terminal.wait_for(" 100 ")
        terminal.key("ctrl-z")
        terminal.wait_for(r"^\[1\]\+ stopped  \d+ shell$")
        terminal.enter("ps --state stopped")
        terminal.wait_for(r" stopped .* shell +CONT \(cont \d+\)")
        terminal.enter("fg")
        terminal.wait_for(r"\b600\b")
        terminal.interrupt()
        terminal.wait_for("^interrupted")
        terminal.enter("still here?")
        terminal.wait_for("^You said: still here")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0


# ---- Tab ---------------------------------------------------------------------------------------


def test_tab_knows_signals_jobs_columns_and_limits(shell: Terminal) -> None:
    shell.enter("slow 400 &")
    shell.wait_for(r"^\[1\] 2$")
    for typed, completed in (
        ("kill -s us", "kill -s USR1"),
        ("kill 2 2 --tr", "kill 2 2 --tree"),
        ("fg ", "fg %1"),
        ("ps --sort ag", "ps --sort age"),
        ("ps --state sto", "ps --state stopped"),
        ("run --limit wa", "run --limit wall_s="),
        ("run --tools a,gr", "run --tools a,grep"),
        ("ren", "renice"),
    ):
        shell.send(typed)
        shell.key("tab")
        shell.wait_for(f"llmos> {re.escape(completed)}")
        shell.interrupt()
