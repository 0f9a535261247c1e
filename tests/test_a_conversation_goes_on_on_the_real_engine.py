"""The pilot, asked in a conversation that has ended, still knows what was said in it."""

from __future__ import annotations

from pathlib import Path

from conversing import leave, sessions, shell, told
from harness import KernelProcess

TURN_S = 90.0


def test_the_first_file_is_that_of_the_list(kernel: KernelProcess, tmp_path: Path) -> None:
    (tmp_path / "apples.txt").write_text("Bramley, Cox, Egremont\n")
    (tmp_path / "bread.txt").write_text("Sourdough, rye\n")
    with shell(kernel, tmp_path) as terminal:
        terminal.enter("list the files here")
        terminal.wait_for(r"list_files\([\s\S]*bread\.txt[\s\S]*^llmos>$", TURN_S)
        leave(terminal)
    (ended,) = sessions(kernel, tmp_path)
    assert ended["state"] == "ended"
    with shell(kernel, tmp_path, "-c") as terminal:
        terminal.wait_for("^attached to process")
        terminal.enter("read the first file")
        terminal.wait_for(r'read_file\(path="apples.txt"\)', TURN_S)
        terminal.wait_for(r"read_file\([\s\S]*Bramley[\s\S]*^llmos>$", TURN_S)
        listed = told(kernel, tmp_path, "ps")["processes"]
        leave(terminal)
    (one,) = sessions(kernel, tmp_path)
    assert (one["id"], one["turns"]) == (ended["id"], 2)
    (process,) = (row for row in listed if row["pid"] == one["pid"])
    assert process["usage"]["tokens_cached"] > ended["tokens"], "its prompt is that of the old one"


def test_run_c_asks_on_without_a_shell(kernel: KernelProcess, tmp_path: Path) -> None:
    (tmp_path / "apples.txt").write_text("Bramley, Cox, Egremont\n")
    told(kernel, tmp_path, "run", "list the files here")
    asked = told(kernel, tmp_path, "run", "-c", "read the first file")
    assert "Bramley" in asked["output"]
