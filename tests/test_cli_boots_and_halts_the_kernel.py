"""`llmos boot` and `llmos halt`, as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]
SIMULATED = ("--driver", "simulated")


class Place:
    """A state folder, and `llmos` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LLMOS_")},
            "LLMOS_STATE_DIR": str(folder / "state"),
            "NO_COLOR": "1",
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def llmos(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*LLMOS, *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=90,
        )

    def os_pid(self) -> int:
        return int(json.loads(self.llmos("status", "--json").stdout)["os_pid"])


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="llmos-", ignore_cleanup_errors=True) as folder:
        place = Place(Path(folder))
        yield place
        place.llmos("halt")


def test_boot_waits_until_the_engine_is_ready(place: Place) -> None:
    boot = place.llmos("boot", *SIMULATED)
    assert boot.returncode == 0, boot.stderr
    assert boot.stdout == ""
    assert f"ready: simulated (simulated), kernel os pid {place.os_pid()}" in boot.stderr
    assert place.llmos("run", "hello").stdout == "You said: hello\n"


def test_boot_twice_names_the_kernel_that_runs(place: Place) -> None:
    place.llmos("boot", *SIMULATED)
    again = place.llmos("boot", *SIMULATED)
    assert again.returncode == 1
    assert f"already running, os pid {place.os_pid()}" in again.stderr


def test_two_boots_at_once_make_one_kernel(place: Place) -> None:
    boots = [
        subprocess.Popen(
            [*LLMOS, "boot", *SIMULATED, "--json"], env=place.env, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    documents = [json.loads(boot.communicate()[0]) for boot in boots]
    assert {d["os_pid"] for d in documents if d["ok"]} == {place.os_pid()}
    assert all(d["ok"] or "already running" in d["error"]["message"] for d in documents), documents


def test_halt_waits_until_the_kernel_has_ended(place: Place) -> None:
    place.llmos("boot", *SIMULATED)
    os_pid = place.os_pid()
    halt = place.llmos("halt")
    assert (halt.returncode, halt.stdout) == (0, "")
    assert not (place.folder / "state" / "kernel.sock").exists()
    assert not _runs(os_pid)
    assert place.llmos("ps").returncode == 69
    assert place.llmos("boot", *SIMULATED).returncode == 0, "and may be booted again at once"


def test_processes_survive_a_halt(place: Place) -> None:
    place.llmos("boot", *SIMULATED)
    pid = place.llmos("spawn", "-i", "--name", "ada", "hello").stdout.strip()
    place.llmos("halt")
    place.llmos("boot", *SIMULATED)
    assert "You said: hello" in place.llmos("logs", pid).stdout


def test_a_kernel_that_dies_at_once_is_quoted(place: Place) -> None:
    boot = place.llmos("boot", "--no-such-option")
    assert boot.returncode == 2
    assert "unrecognized arguments: --no-such-option" in boot.stderr
    assert "kernel.log" in boot.stderr


def test_an_engine_that_fails_is_told_with_its_reason(place: Place) -> None:
    boot = place.llmos("boot", "--model", "/no/such/model")
    assert boot.returncode == 1
    assert "engine failed" in boot.stderr
    assert "kernel.log" in boot.stderr
    assert place.llmos("ps").returncode == 0, "the kernel itself is there"


def test_a_module_in_the_current_folder_is_not_run(place: Place) -> None:
    here = place.folder / "here"
    here.mkdir()
    for name in ("json", "llmos", "asyncio", "sqlite3"):
        (here / f"{name}.py").write_text("raise SystemExit('hijacked')")
    command = [str(Path(sys.executable).parent / "llmos"), "boot", *SIMULATED]
    boot = subprocess.run(
        command, env=place.env, capture_output=True, text=True, cwd=here, timeout=90
    )
    assert boot.returncode == 0, boot.stderr


def test_the_kernel_survives_the_terminal_that_booted_it(place: Place) -> None:
    with Terminal([*LLMOS, *SIMULATED], env=place.env) as terminal:
        terminal.wait_for("llmos>")
        terminal.enter("hello")
        terminal.wait_for("You said: hello")
    time.sleep(0.2)
    listed = json.loads(place.llmos("ps", "--json").stdout)["processes"]
    assert [p["name"] for p in listed if p["state"] == "blocked"] == ["init", "shell"]


def test_options_for_a_kernel_that_already_runs_are_not_lost_in_silence(place: Place) -> None:
    place.llmos("boot", *SIMULATED)
    with Terminal([*LLMOS, "--model", "other"], env=place.env) as terminal:
        terminal.wait_for("already runs with simulated")
        terminal.wait_for("--model other would take effect after llmos halt")
        terminal.wait_for("^llmos>")


def test_a_long_state_folder_works_too(place: Place) -> None:
    place.env["LLMOS_STATE_DIR"] = str(place.folder / ("deep" * 10) / ("deeper" * 10))
    assert place.llmos("boot", *SIMULATED).returncode == 0
    assert place.llmos("run", "hello").stdout == "You said: hello\n"


def test_the_runtime_folder_holds_the_socket_of_the_default_kernel(place: Place) -> None:
    del place.env["LLMOS_STATE_DIR"]
    place.env["HOME"] = place.env["XDG_STATE_HOME"] = str(place.folder)
    place.env["XDG_RUNTIME_DIR"] = str(place.folder / "run")
    assert place.llmos("boot", *SIMULATED).returncode == 0
    assert (place.folder / "run" / "llmos" / "kernel.sock").is_socket()


def _runs(os_pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{os_pid}/stat").read_text()
    except FileNotFoundError:
        return False
