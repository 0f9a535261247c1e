"""A newcomer types `llmos`, asks in plain words, and gets right answers.

All of it is real: the command in a pseudo-terminal, the daemon that it boots, vLLM with the pilot,
the syscalls, the journal. The pilot decodes greedily, so the run repeats.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import KernelProcess
from terminal import Terminal

BOOT_S = 240.0
TURN_S = 60.0


@pytest.fixture(scope="module")
def home() -> Iterator[KernelProcess]:
    """A fresh state folder with no kernel yet, and a root folder with three things in it."""
    home = KernelProcess()
    (home.root / "notes.txt").write_text("buy milk\ncall Anna\n")
    (home.root / "todo.md").write_text("paint the door\n")
    (home.root / "src").mkdir()
    yield home
    home.llmos("halt")
    home.close()


@pytest.fixture(scope="module")
def shell(home: KernelProcess) -> Iterator[Terminal]:
    """`llmos` alone: it boots the kernel and opens the shell."""
    with Terminal(
        [sys.executable, "-m", "llmos"], env=home.env, cwd=home.root, columns=120, lines=40
    ) as terminal:
        terminal.wait_for("llmos>", BOOT_S)
        yield terminal


def ask(shell: Terminal, line: str, *expected: str) -> str:
    """Type a line; what the screen shows after it by the time the prompt is back."""
    echo = f"llmos> {line}"
    before = shell.text().count(echo)
    shell.enter(line)
    shell.wait_for(re.escape(echo), count=before + 1)
    text = shell.wait_for(rf"{re.escape(echo)}(?![\s\S]*{re.escape(echo)})[\s\S]*^llmos>", TURN_S)
    gained = text[text.rindex(echo) :]
    for words in expected:
        assert words in gained, f"{words!r} is not in\n{gained}"
    return gained


def test_the_shell_is_usable_while_the_engine_loads(shell: Terminal) -> None:
    ask(shell, "ps", "init")
    ask(shell, "plugins", "calculator", "files")
    ask(shell, "help", "spawn", "kill")


def test_list_the_files_here(shell: Terminal) -> None:
    """Asked while the engine loads: the prompt comes back at once, the answer when it can."""
    shell.enter("list the files here")
    shell.wait_for(r"list_files\(", BOOT_S)
    for name in ("notes.txt", "todo.md", "src"):
        shell.wait_for(rf"list_files\([\s\S]*{name}", TURN_S)


def test_what_is_37_times_12(shell: Terminal) -> None:
    ask(shell, "what is 37 * 12", "calculate", "444")


def test_read_notes_txt(shell: Terminal) -> None:
    ask(shell, "read notes.txt", "read_file", "buy milk", "call Anna")


def test_remember_and_recall(shell: Terminal) -> None:
    ask(shell, "remember that my flight is at nine", "remember(", "flight is at nine")
    ask(shell, "what did I say about my flight", "recall(", "flight is at nine")


def test_start_a_helper_that_lists_the_files(shell: Terminal, home: KernelProcess) -> None:
    gained = ask(shell, "start a helper that lists the files", "spawn(", "notes.txt", "todo.md")
    pid = int(gained.split("wait(pid=")[1].split(")")[0])
    with home.wire() as wire:
        pages = wire.get("logs", pid=pid)["pages"]
        left = [process["pid"] for process in wire.get("ps")["processes"]]
    calls = [call["name"] for page in pages for call in page["calls"]]
    assert calls == ["list_files"], "the helper did the work itself"
    assert pid not in left, "its parent waited for it"


def test_a_plugin_that_is_saved_now_can_be_called_now(shell: Terminal, home: KernelProcess) -> None:
    home.plugins_dir.mkdir(parents=True, exist_ok=True)
    (home.plugins_dir / "shout.py").write_text(
        "from llmos import syscall\n\n\n@syscall\ndef shout(text: str) -> str:\n"
        '    """Say a text in capital letters."""\n    return text.upper()\n'
    )
    for _ in range(50):
        if "capital letters" in ask(shell, "man shout"):
            break
    ask(shell, "plugins", "shout")
    with home.wire() as wire:
        names = [syscall["name"] for syscall in wire.get("syscalls")["syscalls"]]
    assert "shout" in names


def test_the_conversation_is_there_after_kill_9(shell: Terminal, home: KernelProcess) -> None:
    """The daemon that the shell booted is killed; the next `llmos run` finds the note."""
    with home.wire() as wire:
        os_pid = wire.get("status")["os_pid"]
        sessions = [p["pid"] for p in wire.get("ps")["processes"] if p["name"] == "shell"]
    os.kill(os_pid, signal.SIGKILL)
    assert home.llmos("boot", timeout_s=BOOT_S).returncode == 0
    with home.wire() as wire:
        pages = wire.get("logs", pid=sessions[0])["pages"]
        assert any("444" in page["text"] for page in pages)
    run = home.llmos("run", "what did I say about my flight", timeout_s=TURN_S)
    assert run.returncode == 0
    assert "nine" in run.stdout


def test_headless_with_standard_input(home: KernelProcess) -> None:
    run = home.llmos("run", "-", input="what is 6 * 7", timeout_s=TURN_S)
    assert (run.returncode, "42" in run.stdout) == (0, True), run


def test_the_folder_is_as_it_was(home: KernelProcess) -> None:
    assert sorted(path.name for path in Path(home.root).iterdir()) == [
        "notes.txt",
        "src",
        "todo.md",
    ]
