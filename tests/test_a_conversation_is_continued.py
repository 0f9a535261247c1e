"""A conversation is continued after its end, whatever that was, with all that was said in it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from conversing import leave, llmos, say, sessions, shell, told
from harness import KernelProcess


def test_c_goes_on_after_exit(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    with shell(sim_kernel, tmp_path) as terminal:
        say(terminal, "the first thing")
        leave(terminal)
    (ended,) = sessions(sim_kernel, tmp_path)
    assert (ended["state"], ended["turns"]) == ("ended", 1)
    with shell(sim_kernel, tmp_path, "-c") as terminal:
        text = terminal.wait_for(r"^attached to process \d+ \(shell\)")
        assert f"going on with {ended['id']}: the first thing (1 turn, " in text
        assert "You said: the first thing" in text, "its last pages are shown again"
        say(terminal, "the second thing")
        (one,) = sessions(sim_kernel, tmp_path)
        assert (one["id"], one["turns"], one["state"]) == (ended["id"], 2, "blocked")
        leave(terminal)
    (one,) = sessions(sim_kernel, tmp_path)
    assert (one["state"], len(one["pids"])) == ("ended", 2), "it was this shell's own"


def test_c_finds_an_agent_that_lives(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    with shell(sim_kernel, tmp_path) as terminal:
        say(terminal, "I shall be back")
        os.kill(terminal.os_pid, signal.SIGKILL)
        terminal.wait_exit()
    (before,) = sessions(sim_kernel, tmp_path)
    with shell(sim_kernel, tmp_path, "--continue") as terminal:
        terminal.wait_for(rf"^attached to process {before['pid']} \(shell\)")
        say(terminal, "here I am")
    (after,) = sessions(sim_kernel, tmp_path)
    assert (after["pids"], after["turns"]) == (before["pids"], 2)


def test_c_prefers_this_folder_and_says_when_there_is_none(
    own_kernel: KernelProcess, tmp_path: Path
) -> None:
    own_kernel.start().ready()
    here, there, nowhere = (tmp_path / name for name in ("here", "there", "nowhere"))
    for folder in (here, there, nowhere):
        folder.mkdir()
    assert "no conversation to continue" in llmos(own_kernel, here, "run", "-c", "hi").stderr
    for folder in (here, there):
        told(own_kernel, folder, "run", f"this is {folder.name}")
    for folder, found in ((here, here), (there, there), (nowhere, there)):
        with shell(own_kernel, folder, "-c") as terminal:
            text = terminal.wait_for("^attached to process")
            assert f"this is {found.name}" in text
            assert ("no conversation of this folder" in text) is (folder is nowhere)
            leave(terminal)


def test_r_takes_a_pid_a_name_or_how_it_begins(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    told(sim_kernel, tmp_path, "run", "--name", "moby", "call me Ishmael")
    told(sim_kernel, tmp_path, "run", "it was the best of times")
    pid = sessions(sim_kernel, tmp_path)[1]["pid"]
    for which in (str(pid), "moby", "Call me"):
        answer = told(sim_kernel, tmp_path, "run", "-r", which, f"by {which}")
        assert answer["output"] == f"You said: by {which}"
    best, moby = sorted(sessions(sim_kernel, tmp_path), key=lambda one: int(one["turns"]))
    assert (moby["id"], moby["turns"], len(moby["pids"])) == (pid, 4, 4)
    assert best["turns"] == 1
    with shell(sim_kernel, tmp_path, "-r", "it was") as terminal:
        terminal.wait_for("You said: it was the best of times")
        terminal.enter(f"resume {moby['pids'][1]}")
        terminal.wait_for("You said: by Call me")
        leave(terminal)
    missing = llmos(sim_kernel, tmp_path, "run", "-r", "nobody said so", "hm")
    assert "there is no conversation 'nobody said so'" in missing.stderr
    told(sim_kernel, tmp_path, "run", "it was the worst of times")
    both = llmos(sim_kernel, tmp_path, "run", "-r", "it was", "hm")
    assert both.returncode == 2
    assert "2 conversations begin with 'it was'" in both.stderr


def test_run_c_asks_an_agent_that_lives(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    pid = llmos(sim_kernel, tmp_path, "spawn", "-i", "hello").stdout.strip()
    sim_kernel.llmos("send", pid, "and so on")
    with sim_kernel.wire() as wire:
        wire.get("attach", pid=int(pid))
        while wire.get("logs", pid=int(pid))["pages"][-1]["text"] != "You said: and so on":
            wire.until("turn")
    answer = told(sim_kernel, tmp_path, "run", "-c", "are you there?")
    assert (answer["pid"], answer["output"]) == (int(pid), "You said: are you there?")
    assert llmos(sim_kernel, tmp_path, "run", "-c", "still?").stdout == "You said: still?\n"
    refused = llmos(sim_kernel, tmp_path, "run", "-c", "--budget", "10", "for less?")
    assert refused.returncode == 2
    assert f"process {pid} of this conversation lives" in refused.stderr


def test_what_its_end_cut_off_is_closed(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    """The agent waits for the user: it does not go on by itself with what was killed."""
    pid = int(llmos(sim_kernel, tmp_path, "spawn", "-i", 'call sleep {"seconds": 600}').stdout)
    with sim_kernel.wire() as wire:
        wire.get("attach", pid=pid)
        while not any(page["calls"] for page in wire.get("logs", pid=pid)["pages"]):
            wire.until("call")
        wire.get("kill", pid=pid, signal="KILL")
        wire.get("wait", pid=pid)
    answer = told(sim_kernel, tmp_path, "run", "-c", "what now?")
    assert answer["output"] == "You said: what now?"
    (one,) = sessions(sim_kernel, tmp_path)
    pages = told(sim_kernel, tmp_path, "sessions", "show", str(one["id"]))["pages"]
    roles = [page["role"] for page in pages]
    assert roles == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert pages[2]["text"].startswith("EINTR")
    assert pages[3]["interrupted"]


def test_it_goes_on_after_the_kernel_was_killed(own_kernel: KernelProcess, tmp_path: Path) -> None:
    own_kernel.start().ready()
    with shell(own_kernel, tmp_path) as terminal:
        say(terminal, "before the crash")
        leave(terminal)
    with shell(own_kernel, tmp_path, "-c") as terminal:
        say(terminal, "once more")
        own_kernel.kill9()
        terminal.wait_for("^the kernel is gone")
    own_kernel.start().ready()
    with shell(own_kernel, tmp_path, "-c") as terminal:
        terminal.wait_for("You said: before the crash")
        terminal.wait_for("You said: once more")
        say(terminal, "after it")
    (one,) = sessions(own_kernel, tmp_path)
    assert (one["turns"], len(one["pids"])) == (3, 2), "the second process came back alive"
    assert told(own_kernel, tmp_path, "fsck")["problems"] == []


def test_two_who_continue_at_once_get_the_same_agent(
    sim_kernel: KernelProcess, tmp_path: Path
) -> None:
    told(sim_kernel, tmp_path, "run", "for both of us")
    (one,) = sessions(sim_kernel, tmp_path)
    with sim_kernel.wire() as wire:
        for number in (1, 2):
            request = {"id": number, "op": "resume", "which": str(one["id"])}
            wire.send_raw(json.dumps(request).encode() + b"\n")
        replies = [wire.read()["result"] for _ in range(2)]
    assert replies[0]["pid"] == replies[1]["pid"]
    assert sorted(reply["lives"] for reply in replies) == [False, True]


def test_it_has_what_it_had_and_counts_anew(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    means = ("--root", "root", "--nice", "3", "--limit", "tokens=200", "--name", "bounded")
    told(sim_kernel, tmp_path, "run", *means, "begin")
    with sim_kernel.wire() as wire:
        resumed = wire.get("resume", which="bounded")
        assert resumed["info"]["root"] == str(tmp_path / "root")
        pid = resumed["pid"]
        (row,) = (row for row in wire.get("ps")["processes"] if row["pid"] == pid)
        given = (row["name"], row["nice"], row["limits"], row["usage"]["tokens_out"])
        assert given == ("bounded", 3, {"tokens": [200, 200]}, 0)
        wire.get("kill", pid=pid, signal="KILL")
        wire.get("wait", pid=pid)
        wider = wire.get("resume", which="bounded", limits={"tokens": 5000}, budget=9000)["pid"]
        (row,) = (row for row in wire.get("ps")["processes"] if row["pid"] == wider)
        assert row["limits"] == {"tokens": [200, 200]}, "never more than it had"
        assert row["budget"] == 9000


def test_run_c_does_not_speak_into_a_turn(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    pid = llmos(sim_kernel, tmp_path, "spawn", "-i", 'call sleep {"seconds": 600}').stdout.strip()
    with sim_kernel.wire() as wire:
        wire.get("attach", pid=int(pid))
        while not wire.get("logs", pid=int(pid))["pages"]:
            wire.until("call")
        refused = llmos(sim_kernel, tmp_path, "run", "-c", "hello?")
        assert (refused.returncode, refused.stdout) == (75, "")
        assert f"process {pid} is in the middle of a turn" in refused.stderr
        wire.get("kill", pid=int(pid), signal="KILL")


def test_tab_offers_conversations(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    told(sim_kernel, tmp_path, "run", "the one that Tab shows")
    with shell(sim_kernel, tmp_path) as terminal:
        terminal.send("resume ")
        terminal.key("tab")
        terminal.wait_for("the one that Tab shows")
