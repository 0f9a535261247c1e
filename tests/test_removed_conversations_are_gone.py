"""A conversation that is removed is gone with all that was said in it, and nothing else is."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from conversing import llmos, sessions, told
from harness import KernelProcess

SECRET = "the password is swordfish"


def stored(kernel: KernelProcess) -> str:
    """All that the journal and the index of words hold, as text."""
    dump: list[str] = []
    for name in ("llmos.db", "transcripts.db"):
        with sqlite3.connect(f"file:{kernel.state_dir / name}?mode=ro", uri=True) as connection:
            dump += connection.iterdump()
    return "\n".join(dump)


def test_what_was_said_is_nowhere(own_kernel: KernelProcess, tmp_path: Path) -> None:
    own_kernel.start().ready()
    told(own_kernel, tmp_path, "run", "hello")
    told(own_kernel, tmp_path, "run", SECRET)
    told(own_kernel, tmp_path, "run", "-c", "say it again")
    told(own_kernel, tmp_path, "search", "swordfish")
    assert "swordfish" in stored(own_kernel)
    secret = sessions(own_kernel, tmp_path)[0]
    removed = told(own_kernel, tmp_path, "sessions", "rm", str(secret["pid"]))["removed"]
    assert removed[0]["pids"] == secret["pids"]
    assert "swordfish" not in stored(own_kernel)
    assert not told(own_kernel, tmp_path, "search", "swordfish")["hits"]
    assert [one["begins"] for one in sessions(own_kernel, tmp_path)] == ["hello"]
    for verb in (("logs",), ("export",), ("run", "-r")):
        again = llmos(own_kernel, tmp_path, *verb, str(secret["id"]))
        assert again.returncode != 0
    own_kernel.kill9()
    own_kernel.start().ready()
    born = int(llmos(own_kernel, tmp_path, "spawn", "new").stdout)
    assert born > max(secret["pids"]), "a pid is used once"
    told(own_kernel, tmp_path, "wait", str(born))
    assert len(told(own_kernel, tmp_path, "search", "new")["hits"]) == 2, "the index goes on"
    assert told(own_kernel, tmp_path, "fsck")["problems"] == []


def test_what_a_fork_shares_stays(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    means = ("spawn", "-i", "--budget", "10k")
    parent = llmos(sim_kernel, tmp_path, *means, "we both know the ocelot").stdout.strip()
    with sim_kernel.wire() as wire:
        while len(wire.get("logs", pid=int(parent))["pages"]) < 2:
            pass
    child = llmos(sim_kernel, tmp_path, "fork", parent, "I alone know the lynx").stdout.strip()
    lives = llmos(sim_kernel, tmp_path, "sessions", "rm", parent)
    assert lives.returncode == 75
    assert f"llmos kill {parent}" in lives.stderr
    told(sim_kernel, tmp_path, "kill", parent, "-s", "KILL")
    llmos(sim_kernel, tmp_path, "wait", parent)
    told(sim_kernel, tmp_path, "sessions", "rm", parent)
    found = told(sim_kernel, tmp_path, "search", "ocelot")["hits"]
    assert {hit["pid"] for hit in found} == {int(child)}
    answer = told(sim_kernel, tmp_path, "run", "-r", child, "hello")
    assert answer["output"] == "You said: hello"
    shown = llmos(sim_kernel, tmp_path, "sessions", "show", child).stdout
    assert "we both know the ocelot" in shown
    told(sim_kernel, tmp_path, "kill", child, "-s", "KILL")
    ended = llmos(sim_kernel, tmp_path, "wait", child)
    assert ended.returncode == 137, "its budget was lent by one that is gone"
    assert told(sim_kernel, tmp_path, "fsck")["problems"] == []


def test_with_it_go_the_agents_that_it_began(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    order = json.dumps({"task": "look for the capybara"})
    told(sim_kernel, tmp_path, "run", f"call spawn {order}")
    with sim_kernel.wire() as wire:
        while len(wire.get("search_conversations", query="capybara", all=True)["hits"]) < 3:
            pass
        while any("capybara" in one["name"] for one in wire.get("ps")["processes"]):
            pass
    (one,) = sessions(sim_kernel, tmp_path)
    (removed,) = told(sim_kernel, tmp_path, "sessions", "rm", str(one["id"]))["removed"]
    assert len(removed["pids"]) == 2
    assert not told(sim_kernel, tmp_path, "search", "capybara", "--all")["hits"]


def test_the_newest_are_kept(tmp_path: Path) -> None:
    kernel = KernelProcess("--driver=simulated", "--keep-conversations=2")
    try:
        kernel.start().ready()
        for number in range(4):
            told(kernel, tmp_path, "run", f"task {number}")
        pid = llmos(kernel, tmp_path, "spawn", "-i", "I live").stdout.strip()
        kernel.terminate()
        kernel.start().ready()
        with kernel.wire() as wire:
            while len(wire.get("conversations")["conversations"]) > 3:
                pass
        kept = [one["begins"] for one in sessions(kernel, tmp_path)]
        assert kept == ["I live", "task 3", "task 2"]
        assert told(kernel, tmp_path, "send", pid, "still")["ok"]
    finally:
        kernel.close()
