"""`llmos ingest --watch` follows a folder: what comes, changes and goes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import KernelProcess
from library import llmos

DEADLINE_S = 60.0


def sizes(kernel: KernelProcess) -> dict[str, int]:
    """Bytes of the documents, by name."""
    found = llmos(kernel, "kb", "watched")["documents"]
    return {Path(one["source"]["path"]).name: one["source"]["size"] for one in found}


def wait_for(kernel: KernelProcess, wanted: dict[str, int]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (found := sizes(kernel)) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_watched_folder_stays_in_step(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n")
    client = subprocess.Popen(
        [sys.executable, "-m", "llmos", "ingest", "-v", "--watch", str(folder), "-n", "watched"],
        env=sim_kernel.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert client.stderr is not None
        while "watching" not in client.stderr.readline():
            assert client.poll() is None
        wait_for(sim_kernel, {"a.md": 4})
        (folder / "b.md").write_text("# B grows\n")
        wait_for(sim_kernel, {"a.md": 4, "b.md": 10})
        (folder / "a.md").unlink()
        (folder / ".hidden").write_text("no")
        wait_for(sim_kernel, {"b.md": 10})
        (tmp_path / "moved").mkdir()
        (tmp_path / "moved" / "c.md").write_text("# C\n")
        (tmp_path / "moved").rename(folder / "moved")
        wait_for(sim_kernel, {"b.md": 10, "c.md": 4})
        (folder / "moved").rename(tmp_path / "away")
        wait_for(sim_kernel, {"b.md": 10})
        client.send_signal(signal.SIGINT)
        out, _ = client.communicate(timeout=DEADLINE_S)
        assert client.returncode == 0
        assert out.startswith("watched: 3 added")
    finally:
        client.kill()
        client.wait()
