"""`top` shows all processes and the engine as they change, and does what its keys say."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness import KernelProcess, Wire, running_kernel
from llmos.shell.output import width_of
from terminal import Terminal

TOP = [sys.executable, "-m", "llmos", "top", "-d", "0.2"]
F4, F5, F6, F8, F9, F10 = "\x1bOS", *(f"\x1b[{n}~" for n in (15, 17, 19, 20, 21))
COLOUR = re.compile(rb"\x1b\[[0-9;]*\b(3[0-7]|9[0-7]|38;[25];[0-9;]+)(;[0-9;]*)?m")


@pytest.fixture(scope="module")
def machine() -> Iterator[KernelProcess]:
    with running_kernel("--driver=simulated") as kernel:
        yield kernel


@pytest.fixture
def wire(machine: KernelProcess) -> Iterator[Wire]:
    """All that the test has begun is ended after it."""
    with machine.wire() as wire:
        yield wire
        for row in wire.get("ps")["processes"]:
            if row["pid"] != 1:
                wire.ask("kill", pid=row["pid"], signal="KILL", to="tree")
        for row in wire.get("ps")["processes"]:
            if row["pid"] != 1 and row["parent"] == 1:
                wire.get("wait", pid=row["pid"])


def spawn(wire: Wire, machine: KernelProcess, name: str, **fields: Any) -> int:
    """The pid of one that waits for a message, unless it has a task."""
    fields = {"interactive": "task" not in fields, **fields}
    pid: int = wire.get("spawn", name=name, root=str(machine.root), **fields)["pid"]
    return pid


def shows(terminal: Terminal, holds: Callable[[str], object], timeout_s: float = 20.0) -> str:
    """The screen, once something holds of it."""
    deadline = time.monotonic() + timeout_s
    while not holds(screen := terminal.screen()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s:\n{screen}"
        time.sleep(0.02)
    return screen


def names(screen: str) -> list[str]:
    """Of the listed processes, from above."""
    lines = screen.splitlines()
    header = next(i for i, one in enumerate(lines) if one.split()[:1] == ["PID"])
    rows = [one for one in lines[header + 1 :] if re.match(r" *\d+ ", one)]
    column = lines[header].index("NAME")
    return [row[column:].strip() for row in rows]


def row(screen: str, pid: int) -> str:
    return next((one for one in screen.splitlines() if re.match(rf" *{pid} ", one)), "")


def test_it_shows_who_does_what_and_how_the_engine_is(machine: KernelProcess, wire: Wire) -> None:
    busy = spawn(wire, machine, "busy", task="count 3000")
    idle = spawn(wire, machine, "idle", budget=5000)
    with Terminal(TOP, env=machine.env, columns=120) as terminal:
        screen = shows(
            terminal, lambda s: re.search(r"^tokens +0.0 in/s, \d{2,}\.\d out/s", s, re.M)
        )
        assert re.search(r"^engine +ready, 1 in it, 0 wait in it, simulated", screen, re.M)
        assert re.search(r"^KV +\[\| +\] \d+ of 4,096 blocks, prefix hits ", screen, re.M)
        assert re.search(r"^queue +1 of 64 slots taken, 0 wait, mlfq", screen, re.M)
        assert re.search(r"^kernel +up .*, \d+ MB, pages \d+ resident, 0 evicted", screen, re.M)
        screen = shows(terminal, lambda s: re.search(r"running +0 +\d{2,}\.\d", row(s, busy)))
        assert "5,000" in row(screen, idle) and "a message" in row(screen, idle)
        assert names(screen)[0] == "busy", "the fastest is the first"
        terminal.send("q")
        assert terminal.wait_exit() == 0
        assert b"\x1b[?1049l" in terminal.raw, "the screen is as it was before"


def test_it_sorts_by_the_column_that_is_chosen(machine: KernelProcess, wire: Wire) -> None:
    for name in ("calm", "apt", "brisk"):
        spawn(wire, machine, name)
    with Terminal(TOP, env=machine.env) as terminal:
        shows(terminal, lambda s: "brisk" in s)
        terminal.send(F6)
        terminal.wait_for("Sort by")
        terminal.send("n")
        terminal.key("enter")
        screen = shows(terminal, lambda s: "sorted by name" in s)
        assert names(screen) == ["apt", "brisk", "calm", "init"]
        terminal.send("I")
        shows(terminal, lambda s: "reversed" in s and names(s) == ["init", "calm", "brisk", "apt"])
        terminal.send("s")
        terminal.wait_for("Sort by")
        terminal.key("escape")
        shows(terminal, lambda s: "Sort by" not in s and "sorted by name reversed" in s)


def test_it_shows_what_the_filter_leaves(machine: KernelProcess, wire: Wire) -> None:
    one, other = spawn(wire, machine, "first writer"), spawn(wire, machine, "second reader")
    with Terminal(TOP, env=machine.env) as terminal:
        shows(terminal, lambda s: row(s, one) and row(s, other))
        terminal.send("/")
        terminal.wait_for("Show only rows with")
        terminal.send("writ")
        shows(terminal, lambda s: row(s, one) and not row(s, other))
        terminal.key("enter")
        shows(terminal, lambda s: "filter 'writ'" in s and "Show only" not in s)
        terminal.send(F4)
        terminal.wait_for("Show only rows with")
        terminal.key("escape")
        shows(terminal, lambda s: row(s, one) and row(s, other) and "filter" not in s)


def test_it_draws_the_tree(machine: KernelProcess, wire: Wire) -> None:
    above = spawn(wire, machine, "above")
    spawn(wire, machine, "below", parent=above)
    with Terminal(TOP, env=machine.env) as terminal:
        shows(terminal, lambda s: "below" in s)
        terminal.send(F5)
        screen = shows(terminal, lambda s: "tree" in s.partition("PID")[0])
        column = row(screen, 1).index("init")
        assert row(screen, above).index("above") == column + 2
        assert re.search(rf"^.{{{column + 4}}}below", screen, re.M)


def test_a_signal_is_sent_from_the_list(machine: KernelProcess, wire: Wire) -> None:
    doomed, kept = spawn(wire, machine, "doomed"), spawn(wire, machine, "kept")
    with Terminal([*TOP, "--sort", "name"], env=machine.env) as terminal:
        shows(terminal, lambda s: row(s, doomed) and row(s, kept))
        terminal.send(F9)
        terminal.wait_for(f"Signal for {doomed} doomed")
        terminal.send("k")
        terminal.key("enter")
        shows(terminal, lambda s: f"KILL sent to {doomed}" in s and "exit 137" in row(s, doomed))
        terminal.key("down")
        terminal.send("k")
        terminal.wait_for("Signal for 1 init")
        terminal.key("enter")
        shows(terminal, lambda s: "Signal for" not in s and "TERM sent" not in s)
    states = {one["pid"]: one["state"] for one in wire.get("ps")["processes"]}
    assert (states[doomed], states[kept], states[1]) == ("zombie", "blocked", "blocked")


def test_it_makes_a_process_nicer(machine: KernelProcess, wire: Wire) -> None:
    pid = spawn(wire, machine, "able")

    def nice() -> int:
        listed = wire.get("ps")["processes"]
        return next(int(one["nice"]) for one in listed if one["pid"] == pid)

    with Terminal([*TOP, "--sort", "name"], env=machine.env) as terminal:
        shows(terminal, lambda s: row(s, pid))
        terminal.send("r")
        terminal.wait_for(f"Nice of {pid}, -20")
        terminal.key("backspace")
        shows(terminal, lambda s: s.endswith("(last)"))
        terminal.enter("7")
        shows(terminal, lambda s: re.search(r"blocked +7 ", row(s, pid)))
        assert nice() == 7
        terminal.send(F8)
        shows(terminal, lambda s: re.search(r"blocked +8 ", row(s, pid)))
        assert nice() == 8
        terminal.send("r")
        shows(terminal, lambda s: "Nice of" in s)
        terminal.enter("0")  # 80: no such value
        shows(terminal, lambda s: "nice 80 is not from -20 (first) to 19 (last)" in s)


def test_it_tells_all_about_a_process(machine: KernelProcess, wire: Wire) -> None:
    pid = spawn(wire, machine, "able", budget=5000, limits={"tokens": 900}, attach=True)
    wire.get("send", pid=pid, text="remember the milk")
    wire.until("turn")
    with Terminal([*TOP, "--sort", "name"], env=machine.env) as terminal:
        shows(terminal, lambda s: row(s, pid))
        terminal.key("enter")
        screen = shows(terminal, lambda s: f"Process {pid} (Escape closes)" in s)
        assert "limits  tokens=900" in screen and re.search(
            r"budget  4,9\d\d of 5,000 left", screen
        )
        assert f"It waits for a message: llmos send {pid} TEXT." in screen
        assert "You said: remember the milk" in screen
        terminal.key("escape")
        shows(terminal, lambda s: "Escape closes" not in s)
        terminal.send("w")
        shows(terminal, lambda s: f"Why {pid} waits" in s and "It waits for a message" in s)
        terminal.key("escape")
        shows(terminal, lambda s: "Escape closes" not in s)
        terminal.send("?")
        shows(terminal, lambda s: "Keys (Escape closes)" in s and "sort by a column" in s)


def test_it_holds_the_picture(machine: KernelProcess, wire: Wire) -> None:
    with Terminal(TOP, env=machine.env) as terminal:
        shows(terminal, lambda s: row(s, 1))
        terminal.send("p")
        shows(terminal, lambda s: "held (p lets it go on)" in s)
        late = spawn(wire, machine, "late")
        held = terminal.screen()
        assert not row(held, late)
        terminal.send("p")
        shows(terminal, lambda s: row(s, late) and "held" not in s)


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (60, 24), (44, 12)])
def test_it_fits_the_terminal(machine: KernelProcess, wire: Wire, columns: int, lines: int) -> None:
    spawn(wire, machine, "wide 漢字 name that goes on and on", budget=100_000)
    with Terminal(TOP, env=machine.env, columns=columns, lines=lines) as terminal:
        screen = shows(terminal, lambda s: "漢" in s and "Help" in s and "STATE" in s)
        header = next(one for one in screen.splitlines() if "PID" in one).split()
        assert {"PID", "STATE", "NAME", "TOK/S"} <= set(header)
        assert ("LEFT" in header) == (columns >= 60)
        assert ("LV" in header) == (columns >= 80)
        assert all(width_of(one) <= columns for one in screen.splitlines())
        assert "PID" in screen and "?Help" in screen.splitlines()[-1]


def test_it_goes_along_with_the_terminals_size(machine: KernelProcess, wire: Wire) -> None:
    with Terminal(TOP, env=machine.env, columns=110) as terminal:
        shows(terminal, lambda s: "QUEUED" in s)
        terminal.resize(60, 20)
        shows(terminal, lambda s: "QUEUED" not in s and "PID STATE" in s)


def test_colours_follow_the_users_wish(machine: KernelProcess, wire: Wire) -> None:
    spawn(wire, machine, "busy", task="count 3000")
    coloured = {name: value for name, value in machine.env.items() if name != "NO_COLOR"}
    for env, has_colour in (
        (machine.env, False),
        (coloured, True),
        (coloured | {"NO_COLOR": ""}, True),
    ):
        with Terminal(TOP, env=env) as terminal:
            shows(terminal, lambda s: "running" in s)
            terminal.send("q")
            terminal.wait_exit()
            assert bool(COLOUR.search(terminal.raw)) == has_colour


def test_a_name_cannot_type_for_the_user(machine: KernelProcess, wire: Wire) -> None:
    spawn(wire, machine, "\x1b]0;pwned\x07red\x1b[31m [bold]x[/]")
    with Terminal([*TOP, "--sort", "name"], env=machine.env, columns=150) as terminal:
        shows(terminal, lambda s: "␛]0;pwned␇red␛[31m [bold]x[/]" in s)
        assert b"\x1b]0;pwned" not in terminal.raw
        terminal.send("k")
        shows(terminal, lambda s: "Signal for" in s)


def test_it_outlives_the_kernel(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    with Terminal(TOP, env=own_kernel.env) as terminal:
        shows(terminal, lambda s: row(s, 1))
        assert own_kernel.llmos("halt").returncode == 0
        shows(terminal, lambda s: "the kernel is gone; llmos boot starts it again" in s)
        assert row(terminal.screen(), 1), "the last picture stays"
        own_kernel.start().ready()
        shows(terminal, lambda s: "the kernel is back" in s and "is gone" not in s)
        terminal.send(F10)
        assert terminal.wait_exit() == 0


def test_the_shell_lends_it_the_terminal(machine: KernelProcess, wire: Wire) -> None:
    spawn(wire, machine, "able")
    with Terminal([sys.executable, "-m", "llmos"], env=machine.env) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("top --sort name")
        shows(terminal, lambda s: "able" in s and "sorted by name" in s)
        terminal.send("q")
        shows(terminal, lambda s: "?Help" not in s or "llmos> " in s)
        terminal.enter("count 4")
        terminal.wait_for("^1 2 3 4")


def test_without_a_kernel_or_a_terminal_it_says_so(own_kernel: KernelProcess) -> None:
    with Terminal(TOP, env=own_kernel.env) as terminal:
        assert terminal.wait_exit() == 69
        assert "no kernel is running" in terminal.text()
    own_kernel.start()
    with Terminal(TOP, env=own_kernel.env | {"TERM": "dumb"}) as terminal:
        assert terminal.wait_exit() == 2
        assert "llmos top -b" in terminal.text()


def test_ctrl_z_stops_it_as_a_job_of_the_systems_shell(machine: KernelProcess, wire: Wire) -> None:
    """And with it the shell that has lent it the terminal."""
    llmos = f"{sys.executable} -m llmos"
    with Terminal(["/bin/bash", "--norc", "-i"], env=machine.env) as terminal:
        terminal.enter(llmos)
        terminal.wait_for("llmos>")
        terminal.enter("top")
        shows(terminal, lambda s: "?Help" in s and row(s, 1))
        terminal.key("ctrl-z")
        terminal.wait_for(r"\[1\]\+ +Stopped")
        terminal.enter("fg")
        shows(terminal, lambda s: "Stopped" not in s and row(s, 1))
        terminal.send("q")
        shows(terminal, lambda s: "llmos>" in s)
        terminal.enter("count 4")
        terminal.wait_for("^1 2 3 4")
