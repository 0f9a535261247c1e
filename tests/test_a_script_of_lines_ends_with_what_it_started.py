"""A script of shell lines is a process, the parent of all that it starts. What it started in the
foreground ends with it, the background lives on; Ctrl-C, a limit and `kill` end all of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import KernelProcess
from terminal import Terminal

LONG = "count 200000"
LLMOS = [sys.executable, "-m", "llmos"]


def rows(kernel: KernelProcess) -> dict[int, dict[str, Any]]:
    """The living processes, but for the first."""
    with kernel.wire() as wire:
        listed = wire.get("ps")["processes"]
    return {row["pid"]: row for row in listed if row["exit_status"] is None and row["pid"] > 1}


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture
def kernel(sim_kernel: KernelProcess) -> Iterator[KernelProcess]:
    """Of what lives in it nothing is older than the test."""
    older = set(rows(sim_kernel))
    yield sim_kernel
    for pid in set(rows(sim_kernel)) - older:
        sim_kernel.llmos("kill", "-s", "KILL", str(pid))


class Running:
    """A script at work, which has come to the line that says `ready`."""

    def __init__(self, kernel: KernelProcess, folder: Path, *lines: str, options: str = "") -> None:
        self._kernel, self._older = kernel, set(rows(kernel))
        path = folder / "work.llmos"
        path.write_text("\n".join(lines) + "\n")
        self.command = subprocess.Popen(
            [*LLMOS, "source", *options.split(), str(path)],
            env=kernel.env,
            cwd=kernel.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.command.stdout is not None
        assert self.command.stdout.readline() == "ready\n"

    def processes(self) -> dict[str, dict[str, Any]]:
        """Those that it has, by name or else program."""
        new = [row for pid, row in rows(self._kernel).items() if pid not in self._older]
        return {row["name"] or row["program"]: row for row in new}

    def has(self, *names: str) -> None:
        until(lambda: sorted(self.processes()) == sorted(names), f"there are not {names}")


def test_ps_shows_it_above_all_that_it_starts(kernel: KernelProcess, tmp_path: Path) -> None:
    running = Running(
        kernel,
        tmp_path,
        f"run --name back {LONG} &",
        "!echo ready",
        FRONT,
        options="--name boss --limit pages=70 --budget 50m",
    )
    running.has("boss", "back", "front")
    found = running.processes()
    assert {found["back"]["parent"], found["front"]["parent"]} == {found["boss"]["pid"]}
    assert found["front"]["limits"] == found["boss"]["limits"] == {"pages": [70, 70]}
    kernel.llmos("kill", "-s", "KILL", str(found["boss"]["pid"]))
    assert running.command.wait(30) == 137
    running.has()


FRONT = f"run --name front {LONG}"


@pytest.mark.parametrize(
    ("line", "to_all"),
    [
        (FRONT, True),
        (FRONT, False),
        (f"? {LONG}", False),
        ("!sleep 1000", True),
        ("!sleep 1000", False),
        ("wait $!", True),
        ("!sleep 1000 | run count 3", True),
        (f"{FRONT} | !cat", False),
        ("source {inner}", False),
    ],
)
def test_ctrl_c_ends_all_of_it(
    kernel: KernelProcess, tmp_path: Path, line: str, to_all: bool
) -> None:
    """A terminal signals all that run in it; somebody else perhaps the command alone."""
    inner = tmp_path / "inner.llmos"
    inner.write_text(f"{FRONT}\n")
    line = line.format(inner=inner)
    running = Running(
        kernel,
        tmp_path,
        *(f"run --name back {LONG} &", "!echo ready", line, "!echo never"),
        options="--keep-going",
    )
    until(lambda: "back" in running.processes(), "the background has not begun")
    under_way = psutil.Process(running.command.pid).children(recursive=True)
    if to_all:
        os.killpg(running.command.pid, signal.SIGINT)
    else:
        running.command.send_signal(signal.SIGINT)
    out, err = running.command.communicate(timeout=30)
    assert (running.command.returncode, out.strip()) == (130, ""), err
    assert "Traceback" not in err and "work.llmos" not in err, "that is no failure of a line"
    running.has()
    assert not any(one.is_running() for one in under_way)


@pytest.mark.parametrize("line", ["!sleep 1000", "!sleep 1000 | run count 3"])
def test_a_limit_ends_all_of_it(kernel: KernelProcess, tmp_path: Path, line: str) -> None:
    running = Running(
        kernel,
        tmp_path,
        *(f"run --name back {LONG} &", "!echo ready", line, "!echo never"),
        options="--limit wall_s=1 --keep-going",
    )
    out, err = running.command.communicate(timeout=30)
    assert (running.command.returncode, out.strip()) == (152, "")
    assert "work.llmos:3: the script's process" in err and "limit" in err
    assert err.count("work.llmos") == 1, "that is all"
    running.has()


def test_kill_9_of_the_command_ends_all_of_it(kernel: KernelProcess, tmp_path: Path) -> None:
    running = Running(kernel, tmp_path, f"run {LONG} &", "!echo ready", f"run {LONG}")
    running.command.kill()
    running.command.wait()
    running.has()


def test_who_is_being_born_when_it_ends_ends_too(kernel: KernelProcess) -> None:
    """Ctrl-C comes when it likes, and so perhaps between the order and the birth."""
    older = set(rows(kernel))
    with kernel.wire() as wire:
        for _ in range(8):
            guest = wire.get("open_guest", root=str(kernel.root))["pid"]
            spawn = {"op": "spawn", "task": LONG, "root": str(kernel.root), "parent": guest}
            both = [spawn | {"id": 8000}, {"op": "close_guest", "pid": guest, "id": 9000}]
            wire.send_raw(b"".join(json.dumps(one).encode() + b"\n" for one in both))
            while wire.read().get("id") != 9000:
                pass
        until(lambda: set(rows(kernel)) <= older, "somebody lives on")


def test_the_background_lives_on_whether_it_ends_well_or_not(
    kernel: KernelProcess, tmp_path: Path
) -> None:
    for last, status in (("exit", 0), ("!false", 1)):
        running = Running(
            kernel, tmp_path, "!echo ready", "hello", f"run --name back {LONG} &",
            "spawn -i --name bob", "kill -s KILL $!", "spawn -i --name ada", last,
        )  # fmt: skip
        assert running.command.wait(30) == status
        running.has("back", "ada")
        for process in running.processes().values():
            assert process["parent"] == 1
            kernel.llmos("kill", "-s", "KILL", str(process["pid"]))


def test_stopped_it_goes_no_further(kernel: KernelProcess, tmp_path: Path) -> None:
    running = Running(kernel, tmp_path, "!echo ready", "!sleep 0.5", "!echo on")
    script = running.processes()["work.llmos"]["pid"]
    kernel.llmos("stop", str(script))
    (command,) = psutil.Process(running.command.pid).children()
    until(lambda: command.status() == psutil.STATUS_STOPPED, "the command goes on")
    assert rows(kernel)[script]["state"] == "stopped"
    kernel.llmos("cont", str(script))
    assert running.command.communicate(timeout=30)[0] == "on\n"
    assert running.command.returncode == 0


def test_a_kernel_that_goes_away_ends_it(own_kernel: KernelProcess, tmp_path: Path) -> None:
    lines = (f"run {LONG} &", "!echo ready", f"run {LONG}", "never")
    running = Running(own_kernel.start().ready(), tmp_path, *lines)
    own_kernel.kill9()
    _, err = running.command.communicate(timeout=30)
    assert running.command.returncode == 69 and "work.llmos:3: " in err, err
    assert err.count("work.llmos") == 1


def test_json_tells_who_lives_on(kernel: KernelProcess, tmp_path: Path) -> None:
    path = tmp_path / "a.llmos"
    path.write_text(f"run count 1 &\nwait\nrun --name back {LONG} &\n")
    document = json.loads(kernel.llmos("source", "--json", str(path)).stdout)
    (back,) = document["background"]
    assert rows(kernel)[back]["name"] == "back"


@pytest.mark.parametrize("line", [LONG, f"run {LONG}", f"run {LONG} | !cat", "!echo '1 2 3 '; cat"])
def test_at_a_terminal_ctrl_c_ends_it(kernel: KernelProcess, tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.llmos"
    path.write_text(f"{line}\n!echo never\n")
    older = set(rows(kernel))
    with Terminal([*LLMOS, str(path)], env=kernel.env, cwd=kernel.root) as terminal:
        terminal.wait_for("^1 2 3 ?")
        terminal.interrupt()
        assert terminal.wait_exit() == 130
        assert "never" not in terminal.text() and "Traceback" not in terminal.text()
    until(lambda: set(rows(kernel)) <= older, "it does not end")


def test_in_the_interactive_shell_the_background_is_a_job(
    kernel: KernelProcess, tmp_path: Path
) -> None:
    path = tmp_path / "a.llmos"
    path.write_text(f"run --name back {LONG} &\n!echo ready\n{LONG}\n")
    older = set(rows(kernel))
    with Terminal(LLMOS, env=kernel.env, cwd=kernel.root) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter(f"source {path}")
        terminal.wait_for("^ready")
        terminal.wait_for("^1 2 3 ")
        terminal.interrupt()
        until(lambda: set(rows(kernel)) <= older, "it does not end")
        path.write_text(f"run --name back {LONG} &\n!echo done\n")
        terminal.enter(f"source {path}")
        terminal.wait_for("^done")
        terminal.enter("jobs")
        terminal.wait_for(r"^\[\d\]\+ .* back")
        terminal.enter("exit")
        assert terminal.wait_exit() == 0
