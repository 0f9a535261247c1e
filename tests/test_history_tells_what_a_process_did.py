"""history tells what a process did turn by turn, and its numbers add up to what it used."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness import KernelProcess, Wire
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import ProcessHistory
from llmos.kernel.turn_history import history
from simulation import ROOT, Machine, live, simulate, until
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


def talker(wire: Wire, kernel: KernelProcess, *texts: str) -> int:
    pid: int = wire.get("spawn", interactive=True, root=str(kernel.root), attach=True)["pid"]
    for text in texts:
        say(wire, pid, text)
    return pid


def say(wire: Wire, pid: int, text: str) -> None:
    wire.get("send", pid=pid, text=text)
    while wire.until("turn")["pid"] != pid:
        pass


def end(wire: Wire, pid: int) -> None:
    wire.get("kill", pid=pid, signal="KILL")
    wire.get("wait", pid=pid)


def told(kernel: KernelProcess, pid: int, *options: str) -> dict[str, Any]:
    done = kernel.llmos("history", str(pid), "--json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_turn_a_line_with_calls_errors_and_tokens(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel, "hello", "call now {}", 'call read_file {"path": "none"}')
        lines = sim_kernel.llmos("history", str(pid)).stdout.splitlines()
        turns = told(sim_kernel, pid)["turns"]
        (row,) = [one for one in wire.get("ps")["processes"] if one["pid"] == pid]
        end(wire, pid)
    header = "TIME CALLS IN CACHED OUT TOOK OUTCOME MESSAGE SYSCALLS".split()
    assert lines[0].split() == header
    assert lines[1].endswith("hello") and "done" in lines[1]
    assert lines[2].endswith("now")
    assert "done, 1 error" in lines[3] and lines[3].endswith("read_file")
    for name in ("tokens_in", "tokens_cached", "tokens_out"):
        assert sum(turn[name] for turn in turns) == row["usage"][name] > 0, name
    assert [[call["name"] for call in turn["calls"]] for turn in turns] == [
        [],
        ["now"],
        ["read_file"],
    ]
    assert turns[2]["calls"][0]["errno"] == "ENOENT"
    assert all(turn["duration_s"] > 0 for turn in turns)
    assert [turn["at"] for turn in turns] == sorted(turn["at"] for turn in turns)


def test_the_long_form_has_each_call_and_the_answer(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel, "first things first", 'call calculate {"expression": "6*7"}')
        long = sim_kernel.llmos("history", "-l", "-n", "1", str(pid)).stdout
        end(wire, pid)
    assert "first things first" not in long, "only the last turn was asked for"
    assert '· calculate(expression="6*7")  ' in long
    assert long.rstrip().endswith("42")


def test_an_ended_process_says_how_it_ended(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("spawn", task="be brief", root=str(sim_kernel.root))["pid"]
        wire.get("wait", pid=pid)
    assert sim_kernel.llmos("history", str(pid)).stdout.endswith("\nexited with 0\n")
    document = told(sim_kernel, pid)
    assert (document["status"], document["turns"][0]["outcome"]) == (0, "done")
    missing = sim_kernel.llmos("history", "99999")
    assert missing.returncode == 1 and "no process 99999" in missing.stderr


def test_an_interrupted_turn_and_one_under_way(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel)
        wire.get("send", pid=pid, text='call receive {"timeout": 100}')
        wire.until("call")
        (turn,) = told(sim_kernel, pid)["turns"]
        assert turn["outcome"] == "running" and turn["calls"][0]["duration_s"] is None
        wire.get("kill", pid=pid, signal="INT")
        wire.until("turn")
        (turn,) = told(sim_kernel, pid)["turns"]
        assert turn["outcome"] == "interrupted" and turn["calls"][0]["errno"] == "EINTR"
        end(wire, pid)


def test_what_a_fork_inherits_is_told_apart_and_costs_it_nothing(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel, "before")
        child = wire.get("fork", pid=pid, interactive=True, attach=True)["pid"]
        say(wire, child, "after")
        first, second = told(sim_kernel, child)["turns"]
        text = sim_kernel.llmos("history", str(child)).stdout
        (row,) = [one for one in wire.get("ps")["processes"] if one["pid"] == child]
        end(wire, child)
        end(wire, pid)
    assert (first["inherited"], first["tokens_in"]) == (True, None)
    assert (second["inherited"], second["tokens_in"]) == (False, row["usage"]["tokens_in"])
    assert "before the fork" in text


def test_an_exec_begins_anew_and_hides_nothing(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = talker(wire, sim_kernel, "one life")
        wire.get("exec", pid=pid, task="another life")
        while wire.until("turn")["text"] != "You said: another life":
            pass
        turns = told(sim_kernel, pid)["turns"]
        end(wire, pid)
    assert [(turn["image"], turn["begins"]) for turn in turns] == [
        (0, "one life"),
        (1, "another life"),
    ]


def test_numbers_are_the_same_after_a_crash(tmp_path: Path) -> None:
    def numbers(found: ProcessHistory) -> list[tuple[int | None, ...]]:
        return [(one.tokens_in, one.tokens_cached, one.tokens_out) for one in found.turns]

    async def main(machine: Machine) -> None:
        process = await machine.kernel.spawn(task=None, name="x", root=ROOT, interactive=True)
        for number in range(3):
            await machine.kernel.send(process.pid, f"say {number}")
            await until(lambda: len(process.space) == 2 * number + 2)  # noqa: B023
        before = numbers(await history(machine.kernel, process.pid))
        await machine.crash()
        kernel = await machine.boot()
        again = kernel.table.find(process.pid)
        await kernel.send(process.pid, "say more")
        await until(lambda: len(again.space) == 8)
        after = numbers(await history(kernel, process.pid))
        assert after[:3] == before and len(after) == 4
        assert all(number is not None for turn in after for number in turn)

    live(tmp_path, main)


def test_what_nobody_counted_is_not_made_up(tmp_path: Path) -> None:
    """Turns from before turns were counted: as of a journal that is older."""

    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await kernel.spawn(task=None, name="x", root=ROOT, interactive=True)
        await kernel.send(process.pid, "hello")
        await until(lambda: len(process.space) == 2)
        await kernel.journal.commit([("DELETE FROM turn", ())])
        (turn,) = (await history(kernel, process.pid)).turns
        assert (turn.tokens_in, turn.outcome) == (None, "done")

    simulate(tmp_path, main)


def test_in_the_interactive_shell(sim_kernel: KernelProcess) -> None:
    with Terminal(LLMOS, env=sim_kernel.env, cwd=sim_kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("hello there")
        terminal.wait_for("^You said: hello there")
        with sim_kernel.wire() as wire:
            pid = max(one["pid"] for one in wire.get("ps")["processes"])
        terminal.enter(f"history {pid}")
        terminal.wait_for(r"^\d\d:\d\d:\d\d +0 .* done +hello there")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
