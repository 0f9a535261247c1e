"""`examples/morning.llmos` runs as it stands, with the pilot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import KernelProcess

REPOSITORY = Path(__file__).parent.parent
SCRIPT = REPOSITORY / "examples" / "morning.llmos"


def test_it_runs_as_it_stands(kernel: KernelProcess, tmp_path: Path) -> None:
    command = tmp_path / "llmos"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m llmos "$@"\n')
    command.chmod(0o755)
    shutil.copytree(REPOSITORY / "examples" / "desk", tmp_path / "examples" / "desk")
    script = shutil.copy2(SCRIPT, tmp_path / "examples")
    run = subprocess.run(
        ["examples/morning.llmos"],
        cwd=tmp_path,
        env=kernel.env | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, ""), script
    todo = run.stdout.index("feed the cat")
    assert todo < run.stdout.index("flour") < run.stdout.index("examples/desk/shopping.txt")
    assert "the plumber comes at nine" in run.stdout.splitlines()[-1]
