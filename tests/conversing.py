"""Conversations as their user has them: the command in a folder, and the shell in a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import KernelProcess
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


def llmos(kernel: KernelProcess, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, run in a folder."""
    return subprocess.run(
        [*LLMOS, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=kernel.env,
        cwd=folder,
        timeout=120,
    )


def told(kernel: KernelProcess, folder: Path, *arguments: str) -> Any:
    """Its JSON document; it must have succeeded."""
    run = llmos(kernel, folder, *arguments, "--json")
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(run.stdout)


def sessions(kernel: KernelProcess, folder: Path) -> list[dict[str, Any]]:
    """The conversations of a folder, the newest first."""
    found: list[dict[str, Any]] = told(kernel, folder, "sessions", "--here")["conversations"]
    return found


def shell(kernel: KernelProcess, folder: Path, *arguments: str) -> Terminal:
    """The interactive shell, opened in a folder; its prompt is there."""
    terminal = Terminal([*LLMOS, *arguments], env=kernel.env, cwd=folder)
    terminal.wait_for(r"^llmos>")
    return terminal


def say(terminal: Terminal, text: str) -> None:
    """To an agent on the simulated engine, which says it back."""
    terminal.enter(text)
    terminal.wait_for(rf"^You said: {text}")
    terminal.wait_for(r"^llmos>$")


def leave(terminal: Terminal) -> None:
    """By `exit`, which ends the shell's agent."""
    terminal.enter("exit")
    assert terminal.wait_exit() == 0
