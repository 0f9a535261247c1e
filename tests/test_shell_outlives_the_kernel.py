"""The shell stays usable while the engine loads, when the kernel dies, and when it is back."""

from __future__ import annotations

import sys

from fake_kernel import fake_kernel
from harness import KernelProcess
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


def test_while_the_engine_loads_verbs_work_and_texts_wait() -> None:
    with fake_kernel("loading", "3") as fake, Terminal(LLMOS, env=fake.env) as terminal:
        terminal.wait_for(r"^pilot · loading: weights \(12 s\)")
        terminal.enter("say at last")
        terminal.wait_for("the engine is still loading: weights")
        terminal.enter("ps")
        terminal.wait_for("^PID")
        assert "at last\n" not in terminal.text().replace("say at last", "")
        terminal.wait_for("^at last")
        terminal.enter("say once more")
        terminal.wait_for("^once more")


def test_an_answer_that_comes_while_the_user_types_goes_above_the_line() -> None:
    with fake_kernel("loading", "2") as fake, Terminal(LLMOS, env=fake.env) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("say at last")
        terminal.wait_for("still loading")
        terminal.send("help ru")
        terminal.wait_for("^at last\nllmos> help ru$")
        terminal.enter("n")
        terminal.wait_for("usage: run")


def test_a_kernel_that_dies_within_a_turn_is_told() -> None:
    with fake_kernel() as fake, Terminal(LLMOS, env=fake.env) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("die")
        text = terminal.wait_for("^the kernel is gone; boot starts it again")
        assert "last wo" in text, "what came is kept"
        terminal.enter("ps")
        terminal.wait_for("no kernel is running \\(llmos boot starts one\\)")
        terminal.enter("help exit")
        terminal.wait_for("usage: exit")
        terminal.wait_for("no kernel \\(boot starts one\\)$")


def test_the_conversation_goes_on_when_the_kernel_is_back(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    with Terminal(LLMOS, env=own_kernel.env) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("remember me")
        terminal.wait_for("^You said: remember me")
        own_kernel.kill9()
        terminal.wait_for("^the kernel is gone")
        own_kernel.start().ready()
        terminal.wait_for("^the kernel is back")
        terminal.enter("did you?")
        terminal.wait_for("^You said: did you\\?")
        terminal.enter("ps")
        terminal.wait_for("^PID")
    assert own_kernel.llmos("ps").stdout.count(" shell ") == 1, "it is the same process"


def test_the_next_command_finds_a_kernel_that_is_back(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    with Terminal(LLMOS, env=own_kernel.env) as terminal:
        terminal.wait_for("^simulated · ready")
        own_kernel.kill9()
        terminal.wait_for("^the kernel is gone")
        own_kernel.start()
        terminal.enter("ps")
        terminal.wait_for("^PID")
