"""Attach gives what was said of the running turn so far, and then the rest: no gap, nothing twice,
for as many as attach, and after the shell was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from harness import KernelProcess, Wire
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]
MOST = 1200
ALL = " ".join(str(number) for number in range(1, MOST + 1))
TASK = f"count {MOST}"


def numbers(text: str) -> list[int]:
    """Those of the last answer on a screen, whose lines break between words."""
    lines = text.splitlines()
    begins = max(n for n, line in enumerate(lines) if line.startswith("1 2 3 "))
    joined = "\n".join(lines[begins:])
    return [int(number) for number in re.findall(r"\d+", joined.partition("llmos>")[0])]


def counting(wire: Wire, kernel: KernelProcess, *, interactive: bool = True) -> int:
    """A process in the middle of its answer."""
    pid: int = wire.get(
        "spawn", task=TASK, root=str(kernel.root), interactive=interactive, attach=True
    )["pid"]
    heard = ""
    while len(heard) < 200:
        heard += wire.until("text")["text"]
    return pid


@pytest.mark.parametrize("interactive", [True, False])
def test_each_who_attaches_gets_the_whole_answer(
    sim_kernel: KernelProcess, interactive: bool
) -> None:
    with sim_kernel.wire() as first:
        pid = counting(first, sim_kernel, interactive=interactive)
        wires = [sim_kernel.wire() for _ in range(8)]
        missed = []
        for wire in wires:  # each at another moment of the same stream
            missed.append(wire.get("attach", pid=pid))
            first.until("text")
        for number, (wire, info) in enumerate(zip(wires, missed, strict=True)):
            assert info["said"], "there was something to miss"
            assert info["watchers"] == number + 2
            text = info["said"]
            while (event := wire.events.pop(0) if wire.events else wire.read())["event"] != "turn":
                text += event["text"] if event["event"] == "text" else ""
            assert text == event["text"] == ALL
            wire.close()
        first.get("kill", pid=pid, signal="KILL")


def test_who_attaches_between_two_turns_has_missed_nothing(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get(
            "spawn", task="hello", root=str(sim_kernel.root), interactive=True, attach=True
        )["pid"]
        wire.until("turn")
        info = wire.get("attach", pid=pid)
        assert (info["said"], info["num_pages"]) == ("", 2)
        wire.get("kill", pid=pid, signal="KILL")


def test_what_a_stopped_process_has_said_is_not_lost(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = counting(wire, sim_kernel)
        wire.get("kill", pid=pid, signal="STOP")
        while wire.until("state")["state"] != "stopped":
            pass
    with sim_kernel.wire() as wire:
        info = wire.get("attach", pid=pid)
        assert ALL.startswith(info["said"]) and len(info["said"]) > 100
        wire.get("kill", pid=pid, signal="CONT")
        text = info["said"]
        while (event := wire.events.pop(0) if wire.events else wire.read())["event"] != "turn":
            text += event["text"] if event["event"] == "text" else ""
        assert text == ALL
        wire.get("kill", pid=pid, signal="KILL")


def test_off_a_terminal_attach_writes_the_whole_answer(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = counting(wire, sim_kernel)
        run = sim_kernel.llmos("attach", str(pid))
        assert run.stdout == ALL + "\n"
        assert run.returncode == 0
        wire.get("kill", pid=pid, signal="KILL")


def test_a_shell_is_killed_in_mid_stream_and_the_next_one_shows_all(
    sim_kernel: KernelProcess,
) -> None:
    with Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as shell:
        shell.wait_for("llmos>")
        shell.enter(TASK)
        shell.wait_for("^1 2 3 .* 20 ")
        listed = json.loads(sim_kernel.llmos("ps", "--json").stdout)["processes"]
        pid = max(info["pid"] for info in listed if info["name"] == "shell")
        os.kill(shell.os_pid, signal.SIGKILL)
        assert shell.wait_exit() == 137
    with Terminal([*LLMOS, "attach", str(pid)], env=sim_kernel.env) as shell:
        shell.wait_for(rf"^attached to process {pid} \(shell\)")
        shell.wait_for("^llmos>$")
        assert numbers(shell.text()) == list(range(1, MOST + 1))
        shell.enter("still here?")
        shell.wait_for("^You said: still here")


def test_two_terminals_show_the_same_answer(sim_kernel: KernelProcess) -> None:
    """Each has its own conversation, and hears of its own jobs; then both talk to one process."""
    with (
        Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as one,
        Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as two,
    ):
        for number, shell in enumerate((one, two)):
            shell.wait_for("^llmos>$")
            shell.enter(f"I am shell {number}")
        for number, shell in enumerate((one, two)):
            shell.wait_for(f"^You said: I am shell {number}$")
            assert f"I am shell {1 - number}" not in shell.text()
        two.enter("hello from the background &")
        two.wait_for(r"^\[1\] \d+ exited 0: You said: hello from the background$")
        assert "background" not in one.text()
        pid = sim_kernel.llmos("spawn", "-i", "--name", "shared").stdout.strip()
        one.enter(f"attach {pid}")
        one.wait_for(rf"^attached to process {pid} \(shared\), blocked$")
        one.enter(TASK)
        one.wait_for("^1 2 3 .* 20 ")
        two.enter(f"attach {pid}")
        two.wait_for(rf"^attached to process {pid} .*; somebody else is attached too$")
        for shell in (one, two):
            shell.wait_for(f" {MOST}\n(.*\n)*llmos>$")
            assert numbers(shell.text()) == list(range(1, MOST + 1))
        two.enter("the same to all")
        for shell in (one, two):
            shell.wait_for("^You said: the same to all$")
        two.key("ctrl-d")
        assert two.wait_exit() == 0
        one.enter("still here?")
        one.wait_for("^You said: still here")


def test_agents_live_on_when_their_terminal_is_closed(sim_kernel: KernelProcess) -> None:
    with Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as shell:
        shell.wait_for("llmos>")
        shell.enter("run --name night count 100000 &")
        shell.wait_for(r"^\[1\] \d+$")
        shell.enter(TASK)
        shell.wait_for("^1 2 3 .* 20 ")
    listed = json.loads(sim_kernel.llmos("ps", "--json").stdout)["processes"]
    alive = {info["name"]: info["pid"] for info in listed if info["exit_status"] is None}
    assert {"night", "shell"} <= set(alive), "both work on"
    subprocess.run([*LLMOS, "kill", "-9", str(alive["night"])], env=sim_kernel.env, check=True)
    assert sim_kernel.llmos("attach", str(alive["shell"])).stdout.strip() in (ALL, "")
