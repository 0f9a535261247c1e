"""Ctrl-C brings the prompt back although the engine is busy, and nothing typed is torn by news."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator

import pytest

from harness import KernelProcess
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]
PROMPT = "^llmos>$"
BOUND_S = 2.0
"""By hand it is 20 to 50 ms beside the real engine under load; a busy test machine gets more."""


@pytest.fixture
def shell(sim_kernel: KernelProcess) -> Iterator[Terminal]:
    with Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        yield terminal


def test_while_many_generate(shell: Terminal, sim_kernel: KernelProcess) -> None:
    others = [sim_kernel.llmos("spawn", "count 100000").stdout.strip() for _ in range(6)]
    try:
        for number in (1, 2, 3):
            shell.enter("count 100000")
            shell.wait_for("^1 2 3 4", count=number)
            shell.interrupt()
            began = time.monotonic()
            shell.wait_for("^interrupted", count=number)
            shell.wait_for(PROMPT)
            assert time.monotonic() - began < BOUND_S
        shell.enter("still here?")
        shell.wait_for("^You said: still here")
    finally:
        sim_kernel.llmos("kill", "-9", *others)


def test_news_come_above_a_line_that_is_half_typed(
    shell: Terminal, sim_kernel: KernelProcess
) -> None:
    for number in range(5):
        shell.enter(f"spawn -i --name worker{number} hello")
        shell.wait_for("^[0-9]+$", count=number + 1)
    pids = re.findall("^([0-9]+)$", shell.text(), re.MULTILINE)
    shell.send("help \\")
    shell.key("alt-enter")
    shell.send("ren")
    shell.wait_for("^ +… ren")
    sim_kernel.llmos("kill", "-9", *pids)
    shell.wait_for(r"^\[\d\] \d+ exited 137", count=5)
    shell.send("ice")
    shell.wait_for(r"^llmos> help \\\n +… renice$")
    shell.key("enter")
    shell.wait_for("usage: renice")
    news = re.findall(r"^\[\d\] (\d+) exited 137, killed \(KILL\)$", shell.text(), re.MULTILINE)
    assert sorted(news) == sorted(pids)
