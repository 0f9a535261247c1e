"""`llmos checkpoint`, `restore`, `supervise`, `link`: from outside, on a real kernel."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from harness import KernelProcess


def document(kernel: KernelProcess, *arguments: str, **options: Any) -> dict[str, Any]:
    done = kernel.llmos(*arguments, "--json", **options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def state(kernel: KernelProcess, pid: int) -> str:
    listed = document(kernel, "ps")["processes"]
    return next((str(one["state"]) for one in listed if one["pid"] == pid), "reaped")


def test_a_checkpoint_is_restored(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    pid = document(sim_kernel, "spawn", "-i", "hello")["pid"]
    while state(sim_kernel, pid) != "blocked":
        time.sleep(0.05)
    file = tmp_path / "talk.llmos"
    assert document(sim_kernel, "checkpoint", str(pid), str(file))["pids"] == [pid]
    again = document(sim_kernel, "restore", str(file))
    assert again["pids"] == {str(pid): again["pid"]}
    pages = document(sim_kernel, "logs", str(again["pid"]))["pages"]
    assert [page["text"] for page in pages] == ["hello", "You said: hello"]
    sim_kernel.llmos("kill", str(pid), str(again["pid"]))


def test_a_file_that_exists_is_not_overwritten(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    pid = document(sim_kernel, "spawn", "-i", "hello")["pid"]
    file = tmp_path / "mine.txt"
    file.write_text("mine")
    refused = sim_kernel.llmos("checkpoint", str(pid), str(file))
    assert refused.returncode == 1
    assert "mine.txt exists" in refused.stderr
    assert file.read_text() == "mine"
    damaged = sim_kernel.llmos("restore", str(file))
    assert damaged.returncode == 2
    assert "is no checkpoint" in damaged.stderr
    sim_kernel.llmos("kill", str(pid))


def test_a_supervisor_is_started_from_a_file_and_restarts_its_child(
    sim_kernel: KernelProcess, tmp_path: Path
) -> None:
    file = tmp_path / "team.json"
    file.write_text(json.dumps({"children": [{"name": "helper", "interactive": True}]}))
    team = document(sim_kernel, "supervise", str(file))["pid"]

    def children() -> list[int]:
        listed = document(sim_kernel, "ps")["processes"]
        return [one["pid"] for one in listed if one["parent"] == team]

    while not children():
        time.sleep(0.05)
    (first,) = children()
    sim_kernel.llmos("kill", "-9", str(first))
    while children() in ([first], []):
        time.sleep(0.05)
    assert sim_kernel.llmos("kill", str(team)).returncode == 0
    while state(sim_kernel, team) not in ("zombie", "reaped"):
        time.sleep(0.05)
    assert children() == []


def test_a_specification_that_is_wrong_is_named(sim_kernel: KernelProcess) -> None:
    for text, words in (
        ("{", "is not JSON"),
        ('{"children": []}', "children"),
        ('{"children": [{"name": "a", "task": "b", "restart": "always"}]}', "restart"),
    ):
        refused = sim_kernel.llmos("supervise", "-", input=text)
        assert refused.returncode == 2, refused
        assert words in refused.stderr


def test_linked_processes_end_together(sim_kernel: KernelProcess) -> None:
    one, other = (document(sim_kernel, "spawn", "-i", "hello")["pid"] for _ in range(2))
    assert sim_kernel.llmos("link", str(one), str(other)).returncode == 0
    sim_kernel.llmos("kill", "-9", str(one))
    ended = sim_kernel.llmos("wait", str(other))
    assert ended.returncode == 143
    assert f"process {one}," in ended.stdout
