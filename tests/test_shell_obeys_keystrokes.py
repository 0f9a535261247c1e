"""The interactive shell, from the keyboard to the screen."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from fake_kernel import RunningFake, fake_kernel
from harness import KernelProcess
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]
PROMPT = "^llmos>$"


@pytest.fixture
def shell(sim_kernel: KernelProcess) -> Iterator[Terminal]:
    with Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        yield terminal


@pytest.fixture(scope="module")
def fake() -> Iterator[RunningFake]:
    with fake_kernel() as fake:
        yield fake


@pytest.fixture
def scripted(fake: RunningFake) -> Iterator[Terminal]:
    """A shell before agents that do what they are told."""
    with Terminal(LLMOS, env=fake.env) as terminal:
        terminal.wait_for("llmos>")
        yield terminal


# ---- what a line is --------------------------------------------------------------------------


def test_a_verb_is_a_command(shell: Terminal) -> None:
    shell.enter("ps")
    assert re.search(r"^ +1 +0 +blocked .* init ", shell.wait_for("^PID"), re.MULTILINE)


def test_anything_else_is_said_to_the_agent(shell: Terminal) -> None:
    shell.enter("good morning")
    shell.wait_for("^You said: good morning")
    shell.enter("and again")
    shell.wait_for("^You said: and again")
    shell.enter("ps")
    assert len(re.findall("a message", shell.wait_for("a message"))) >= 1


def test_a_question_mark_forces_words_to_the_agent(shell: Terminal) -> None:
    shell.enter("? kill the lights")
    shell.wait_for("^You said: kill the lights")


def test_a_verb_that_does_not_parse_says_how_to_speak_to_the_agent(shell: Terminal) -> None:
    shell.enter("kill the lights")
    text = shell.wait_for("to say this to the agent, begin with \\?")
    assert "usage: kill" in text
    assert "You said" not in text


def test_a_word_that_is_nearly_a_verb_is_pointed_out(shell: Terminal) -> None:
    shell.enter("stauts")
    shell.wait_for("did you mean status\\?")


def test_an_apostrophe_needs_no_partner(shell: Terminal) -> None:
    shell.enter("run what's up")
    shell.wait_for("^You said: what's up")
    shell.enter("kill 4'")
    shell.wait_for("quotes come in pairs")


def test_an_empty_line_does_nothing(shell: Terminal) -> None:
    shell.key("enter", "enter")
    shell.enter("   ")
    shell.wait_for(PROMPT)
    assert set(shell.text().split("\n")) <= {"llmos>", "llmos>    ", ""} or "said" not in (
        shell.text()
    )


def test_the_systems_shell_is_one_mark_away(shell: Terminal) -> None:
    shell.enter("!echo $((6*7)); exit 3")
    shell.wait_for("^42")
    shell.wait_for("^exit 3")


def test_a_paste_of_many_lines_is_one_text(shell: Terminal) -> None:
    shell.paste("wait for it:\nfirst\n  second\n")
    time.sleep(0.2)
    assert "You said" not in shell.text(), "nothing is sent before Enter"
    shell.key("enter")
    shell.wait_for("^You said: wait for it:\nfirst\n  second")


def test_alt_enter_begins_another_line(shell: Terminal) -> None:
    shell.send("one")
    shell.key("alt-enter")
    shell.send("two")
    shell.key("enter")
    shell.wait_for("^You said: one\ntwo")


def test_help_lists_the_verbs_of_the_session(shell: Terminal) -> None:
    shell.enter("help")
    text = shell.wait_for("Ctrl-D")
    assert re.search("^ *exit ", text, re.MULTILINE)
    shell.enter("ps -h")
    shell.wait_for("usage: ps")


def test_json_works_inside_too(shell: Terminal) -> None:
    shell.enter("kill 99999 --json")
    text = shell.wait_for(r'"code": "ESRCH"[^{}]*\}\s*\}')
    document = text[text.index("{") : text.rindex("}") + 1].replace("\n", "")  # its edge
    assert json.loads(document)["ok"] is False


# ---- a turn --------------------------------------------------------------------------------------


def test_a_syscall_shows_as_one_line(scripted: Terminal) -> None:
    scripted.enter("tool")
    text = scripted.wait_for("^two calls")
    assert '· list_files(path=".")  ✓ 12 ms\n' in text
    assert '· read_file(path="nope")  ✗ ENOENT: no such file more\n' in text


def test_a_turn_that_fails_says_so(scripted: Terminal) -> None:
    scripted.enter("fail")
    scripted.wait_for("the turn failed: \\(no answer after 8 steps\\)")
    scripted.wait_for(PROMPT)


def test_ctrl_c_keeps_the_partial_and_gives_the_prompt_back(scripted: Terminal) -> None:
    scripted.enter("slow 400")
    scripted.wait_for("word3")
    scripted.interrupt()
    began = time.monotonic()
    scripted.wait_for(PROMPT)
    assert time.monotonic() - began < 1.0
    text = scripted.wait_for("^interrupted")
    assert "word0 word1 word2 word3" in text
    scripted.enter("say still here")
    later = scripted.wait_for("^still here")
    assert later.count("word") == text.count("word"), "nothing of the old turn comes after"


def test_ctrl_c_interrupts_a_real_turn(shell: Terminal, sim_kernel: KernelProcess) -> None:
    shell.enter("count 20000")
    shell.wait_for(" 100 ")
    shell.interrupt()
    shell.wait_for("interrupted")
    shell.enter("still here?")
    shell.wait_for("^You said: still here")


def test_ctrl_c_at_the_prompt_clears_the_line(shell: Terminal) -> None:
    shell.send("kill 1")
    shell.wait_for("llmos> kill 1")
    shell.interrupt()
    shell.enter("help help")
    shell.wait_for("usage: help")


def test_ctrl_c_ends_a_verb_that_waits(shell: Terminal, sim_kernel: KernelProcess) -> None:
    pid = sim_kernel.llmos("spawn", "-i").stdout.strip()
    shell.enter(f"wait {pid}")
    time.sleep(0.3)
    shell.interrupt()
    shell.enter("still here?")
    shell.wait_for("^You said: still here")


def test_what_is_typed_during_a_turn_waits_for_the_prompt(scripted: Terminal) -> None:
    scripted.enter("slow 12")
    scripted.wait_for("word1")
    scripted.send("say typed ahead")
    scripted.key("enter")
    text = scripted.wait_for("^typed ahead")
    assert "word10 word11\nllmos> say typed ahead\n" in text.replace(" \n", "\n")


def test_a_narrow_terminal_and_wide_letters_are_fine(fake: RunningFake) -> None:
    with Terminal(LLMOS, env=fake.env, columns=24, lines=12) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("say 你好世界你好世界你好世界你好世界")
        terminal.wait_for("^你 ?好")
        terminal.enter("tool")
        text = terminal.wait_for("^two calls")
        assert "· list_files(…  ✓ 12 ms\n" in text
        terminal.enter("ps")
        terminal.wait_for("^PID")
        terminal.wait_for(PROMPT)


# ---- news ----------------------------------------------------------------------------------------


def test_the_end_of_a_background_process_is_told_above_the_prompt(scripted: Terminal) -> None:
    scripted.enter("spawn slow 10")
    pid = re.search(r"^(\d+)$", scripted.wait_for(r"^\d+$"), re.MULTILINE)
    assert pid is not None
    scripted.send("half a li")
    scripted.wait_for(rf"^\[1\] {pid[1]} exited 0: word0 word1")
    scripted.wait_for("^llmos> half a li$")


def test_the_toolbar_tells_model_engine_and_processes(shell: Terminal) -> None:
    shell.wait_for(r"^simulated · ready · \d+ process")


# ---- completion ----------------------------------------------------------------------------------


def test_tab_completes_verbs_options_pids_and_syscalls(shell: Terminal) -> None:
    shell.send("plu")
    shell.key("tab")
    shell.wait_for("llmos> plugins")
    shell.interrupt()
    shell.send("kill ")
    shell.key("tab")
    shell.wait_for("1 +init, blocked")
    shell.interrupt()
    shell.send("man calc")
    shell.key("tab")
    shell.wait_for("llmos> man calculate")
    shell.interrupt()
    shell.send("wait 1 --ti")
    shell.key("tab")
    shell.wait_for("llmos> wait 1 --timeout")
    shell.interrupt()
    shell.send("kill 1 -s ")
    shell.key("tab")
    shell.wait_for("TERM")


def test_history_comes_back_in_the_next_session(sim_kernel: KernelProcess) -> None:
    with Terminal(LLMOS, env=sim_kernel.env) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("help man")
        terminal.wait_for("usage: man")
    with Terminal(LLMOS, env=sim_kernel.env) as terminal:
        terminal.wait_for("llmos>")
        terminal.key("up")
        terminal.wait_for("llmos> help man")


# ---- coming and going ----------------------------------------------------------------------------


def state_of(kernel: KernelProcess, pid: int) -> str | None:
    listed = json.loads(kernel.llmos("ps", "--json").stdout)["processes"]
    return next((p["state"] for p in listed if p["pid"] == pid), None)


def session_pid(shell: Terminal, kernel: KernelProcess) -> int:
    shell.enter("who are you")
    shell.wait_for("^You said: who are you")
    listed = json.loads(kernel.llmos("ps", "--json").stdout)["processes"]
    return max(int(p["pid"]) for p in listed if p["name"] == "shell")


def test_exit_ends_the_sessions_agent(shell: Terminal, sim_kernel: KernelProcess) -> None:
    pid = session_pid(shell, sim_kernel)
    shell.enter("exit")
    assert shell.wait_exit() == 0
    assert state_of(sim_kernel, pid) is None


def test_ctrl_d_detaches_and_attach_comes_back(shell: Terminal, sim_kernel: KernelProcess) -> None:
    pid = session_pid(shell, sim_kernel)
    shell.key("ctrl-d")
    assert shell.wait_exit() == 0
    assert f"llmos attach {pid}" in shell.wait_for("detached: ")
    assert state_of(sim_kernel, pid) == "blocked"
    with Terminal([*LLMOS, "attach", str(pid)], env=sim_kernel.env) as terminal:
        terminal.wait_for("^You said: who are you")
        terminal.wait_for("llmos>")
        terminal.enter("me again")
        terminal.wait_for("^You said: me again")
        terminal.enter("exit")
        terminal.wait_exit()
    assert state_of(sim_kernel, pid) == "blocked", "it was not this shell's own"


def test_a_shell_that_is_killed_harms_no_agent(shell: Terminal, sim_kernel: KernelProcess) -> None:
    pid = session_pid(shell, sim_kernel)
    os.kill(shell.os_pid, signal.SIGKILL)
    assert shell.wait_exit() == 137
    assert state_of(sim_kernel, pid) == "blocked"


def test_attach_inside_changes_the_partner(shell: Terminal, sim_kernel: KernelProcess) -> None:
    pid = sim_kernel.llmos("spawn", "-i", "--name", "ada", "hello").stdout.strip()
    shell.enter(f"attach {pid}")
    shell.wait_for(rf"^attached to process {pid} \(ada\)")
    shell.enter("nice to meet you")
    shell.wait_for("^You said: nice to meet you")
    assert "nice to meet you" in sim_kernel.llmos("logs", pid).stdout


def test_the_terminal_is_given_back_as_it_was(sim_kernel: KernelProcess) -> None:
    script = f"stty -a >a; {sys.executable} -m llmos; stty -a >b; cmp a b && echo the same"
    with Terminal(["bash", "-c", script], env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("!stty -a | grep -o ' echo '")
        terminal.wait_for("^ echo")
        terminal.enter("exit")
        terminal.wait_for("^the same")
