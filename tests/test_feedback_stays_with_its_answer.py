"""What the user thinks of an answer stays with it: over a crash, over an end, until both go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conversing import leave, llmos, say, sessions, shell, told
from harness import KernelProcess


def feedback(kernel: KernelProcess, folder: Path, which: int) -> dict[int, tuple[str, str]]:
    pages: list[dict[str, Any]] = told(kernel, folder, "sessions", "show", str(which))["pages"]
    return {
        page["page"]: (page["feedback"]["verdict"], page["feedback"]["text"])
        for page in pages
        if page["feedback"]
    }


def test_it_is_given_in_the_shell_and_outside(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    with shell(sim_kernel, tmp_path) as terminal:
        terminal.enter("feedback good")
        terminal.wait_for("whose answer\\?")
        say(terminal, "two and two")
        terminal.enter("feedback bad it is four")
        terminal.wait_for(r"^page 1 of conversation \d+: bad")
        say(terminal, "and three")
        leave(terminal)
    (one,) = sessions(sim_kernel, tmp_path)
    given = told(sim_kernel, tmp_path, "feedback", str(one["pid"]), "good", "well", "said")
    assert (given["page"], given["feedback"]["verdict"]) == (3, "good")
    assert feedback(sim_kernel, tmp_path, one["id"]) == {
        1: ("bad", "it is four"),
        3: ("good", "well said"),
    }
    shown = llmos(sim_kernel, tmp_path, "sessions", "show", str(one["id"])).stdout
    assert "feedback: bad: it is four" in shown
    assert "1 good, 1 bad" in llmos(sim_kernel, tmp_path, "sessions", "--here").stdout


def test_it_can_be_changed_and_taken_back(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    told(sim_kernel, tmp_path, "run", "hello")
    (one,) = sessions(sim_kernel, tmp_path)
    which = str(one["id"])
    told(sim_kernel, tmp_path, "feedback", which, "bad", "no")
    told(sim_kernel, tmp_path, "feedback", which, "good")
    assert feedback(sim_kernel, tmp_path, one["id"]) == {1: ("good", "")}
    told(sim_kernel, tmp_path, "feedback", which, "none")
    assert feedback(sim_kernel, tmp_path, one["id"]) == {}
    for words in (["fine"], ["good", "--page", "0"], ["good", "--page", "99"]):
        assert llmos(sim_kernel, tmp_path, "feedback", which, *words).returncode == 2


def test_it_survives_a_crash_and_goes_with_its_conversation(
    own_kernel: KernelProcess, tmp_path: Path
) -> None:
    own_kernel.start().ready()
    told(own_kernel, tmp_path, "run", "hello")
    told(own_kernel, tmp_path, "feedback", "hello", "good", "kind")
    own_kernel.kill9()
    own_kernel.start().ready()
    told(own_kernel, tmp_path, "run", "-c", "and again")
    (one,) = sessions(own_kernel, tmp_path)
    assert len(one["pids"]) == 2
    assert feedback(own_kernel, tmp_path, one["id"]) == {1: ("good", "kind")}, "the page is shared"
    exported = llmos(own_kernel, tmp_path, "export", str(one["id"])).stdout
    assert "**Feedback: good**\n\n> kind" in exported
    told(own_kernel, tmp_path, "sessions", "rm", str(one["id"]))
    told(own_kernel, tmp_path, "run", "hello")
    (new,) = sessions(own_kernel, tmp_path)
    assert (new["good"], new["bad"]) == (0, 0), "no number is used for another page"
