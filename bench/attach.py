"""What attaching costs in CPU: `llmos ps`, and the shell up to its first prompt.

User plus system time of the client process alone, as the operating system accounts for it, over
several runs against one running kernel; beside them bare Python (the floor) and Python importing
prompt_toolkit (what any such shell pays). The kernel runs the simulated engine: the client does not
know the difference.
"""

from __future__ import annotations

import argparse
import os
import pty
import resource
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from harness import KernelProcess, running_kernel
from report import report

PROMPT = b"llmos>"


def cpu_ms(before: resource.struct_rusage) -> float:
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def command(kernel: KernelProcess, *argv: str) -> float:
    """CPU milliseconds of a command that ends by itself."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, env=kernel.env, check=True, capture_output=True)
    return cpu_ms(before)


def first_prompt(kernel: KernelProcess) -> float:
    """CPU milliseconds of the shell until its prompt is on the screen."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "llmos"], kernel.env)
    screen = b""
    deadline = time.monotonic() + 60
    while PROMPT not in screen:
        assert time.monotonic() < deadline, screen
        if select.select([terminal], [], [], 1.0)[0]:
            screen += os.read(terminal, 4096)
            if b"\x1b[6n" in screen:  # prompt_toolkit asks where the cursor is
                os.write(terminal, b"\x1b[1;1R")
                screen = screen.replace(b"\x1b[6n", b"")
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    os.close(terminal)
    return cpu_ms(before)


def main(rounds: int) -> None:
    with running_kernel("--driver=simulated") as kernel:
        python = sys.executable
        arms: dict[str, Callable[[], float]] = {
            "python": lambda: command(kernel, python, "-c", "pass"),
            "prompt_toolkit": lambda: command(
                kernel, python, "-c", "from prompt_toolkit import PromptSession"
            ),
            "ps": lambda: command(kernel, python, "-m", "llmos", "ps"),
            "first_prompt": lambda: first_prompt(kernel),
        }
        for run in arms.values():
            run()  # warm the file cache
        samples: dict[str, list[float]] = {name: [] for name in arms}
        for _ in range(rounds):
            for name, run in arms.items():
                samples[name].append(run())
    figures = {f"{name}_cpu_ms": round(statistics.median(s), 1) for name, s in samples.items()}
    report("attach", figures, {"rounds": rounds, "samples": samples})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    main(parser.parse_args().rounds)
