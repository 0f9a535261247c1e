"""The main job: the pilot on the real engine, through the real shell.

What the model says is its own affair (`pilot/` has its exam); the promise here is that the screen
and stdout show exactly what it said and did.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from harness import KernelProcess
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]
TURN_S = 90.0


def pages_of(kernel: KernelProcess, pid: int) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = json.loads(kernel.llmos("logs", str(pid), "--json").stdout)[
        "pages"
    ]
    return pages


def newest(kernel: KernelProcess, name: str) -> int:
    listed = json.loads(kernel.llmos("ps", "--json").stdout)["processes"]
    return max(int(info["pid"]) for info in listed if info["name"] == name)


def words(text: str) -> list[str]:
    return text.split()


def test_the_screen_shows_what_the_agent_said_and_did(kernel: KernelProcess) -> None:
    with Terminal(LLMOS, env=kernel.env, cwd=kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("What is 17 times 23?")
        shown = terminal.wait_for(r"^llmos> What(.|\n)+^llmos>$", TURN_S)
        pages = pages_of(kernel, newest(kernel, "shell"))
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
    assert [pages[0]["role"], pages[-1]["role"]] == ["user", "assistant"]
    assert pages[0]["text"] == "What is 17 times 23?"
    num_calls = sum(len(page["calls"]) for page in pages)
    assert len(re.findall(r"^· \w+\(.*\)  [✓✗] ", shown, re.MULTILINE)) == num_calls
    for page in pages:
        if page["role"] == "assistant":
            assert " ".join(words(page["text"])) in " ".join(words(shown))


def test_run_gives_the_answer_alone(kernel: KernelProcess) -> None:
    (kernel.root / "plan.txt").write_text("Buy seven lemons.\n")
    run = kernel.llmos("run", "--json", "Show me plan.txt")
    ended = json.loads(run.stdout)
    assert run.returncode == 0, run.stdout
    assert ended["usage"]["tokens_in"] > 0
    assert ended["usage"]["tokens_out"] > 0
    plain = kernel.llmos("run", "Show me plan.txt")
    assert plain.stdout.strip() == ended["output"].strip(), "greedy, hence the same twice"
    assert plain.stderr == ""


def test_ctrl_c_stops_the_real_engine(kernel: KernelProcess) -> None:
    with Terminal(LLMOS, env=kernel.env, cwd=kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("Tell me a long story about the sea.")
        terminal.interrupt()
        terminal.wait_for("^llmos>$")
        terminal.enter("Hello")
        terminal.wait_for(r"^llmos> Hello(.|\n)+^llmos>$", TURN_S)
        status = json.loads(kernel.llmos("status", "--json").stdout)
        assert status["engine"]["running"] == 0
        terminal.enter("exit")
        terminal.wait_exit()


def test_two_shells_talk_at_the_same_time(kernel: KernelProcess) -> None:
    with Terminal(LLMOS, env=kernel.env) as one, Terminal(LLMOS, env=kernel.env) as two:
        one.wait_for("llmos>")
        two.wait_for("llmos>")
        one.enter("What is 6 times 7?")
        two.enter("Hello there")
        first = one.wait_for(r"^llmos> What(.|\n)+^llmos>$", TURN_S)
        second = two.wait_for(r"^llmos> Hello(.|\n)+^llmos>$", TURN_S)
        assert "Hello there" not in first
        assert "6 times 7" not in second
        for terminal in (one, two):
            terminal.enter("exit")
            assert terminal.wait_exit() == 0
