"""From the command line: who is scheduled how, another policy while the kernel runs, and why a
process waits."""

from __future__ import annotations

import json

import pytest

from harness import KernelProcess
from llmos.kernel.scheduling import names


def test_it_shows_policy_slots_queue_and_blocks(sim_kernel: KernelProcess) -> None:
    shown = sim_kernel.llmos("scheduler")
    assert shown.returncode == 0
    rows = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines() if line)
    others = ", ".join(name for name in names() if name != "mlfq")
    assert rows["policy"] == f"mlfq (there are also {others})"
    assert rows["slots"] == "64: 0 running, 64 free"
    assert rows["queue"] == "0 of at most 4,096"
    assert rows["blocks"].startswith("4,096 of 16 tokens: 0 running, 0 kept, 0 shared, 4096 free")
    document = json.loads(sim_kernel.llmos("scheduler", "--json").stdout)
    assert document["ok"] and document["policies"] == names() and document["fault"] == ""


@pytest.mark.parametrize("policy", names())
def test_another_policy_is_used_from_now_on(sim_kernel: KernelProcess, policy: str) -> None:
    used = sim_kernel.llmos("scheduler", "use", policy)
    assert (used.returncode, used.stdout) == (0, f"the policy is {policy} now\n")
    assert sim_kernel.llmos("run", "count 3").stdout == "1 2 3\n"
    assert json.loads(sim_kernel.llmos("scheduler", "--json").stdout)["policy"] == policy
    assert sim_kernel.llmos("scheduler", "use", "mlfq").returncode == 0


def test_a_policy_that_there_is_not_is_refused_with_the_nearest(sim_kernel: KernelProcess) -> None:
    refused = sim_kernel.llmos("scheduler", "use", "mlqf")
    assert refused.returncode == 2
    assert "there is no scheduling policy 'mlqf'; there are edf, fair, fifo" in refused.stderr
    assert "did you mean mlfq?" in refused.stderr
    assert sim_kernel.llmos("scheduler", "use").returncode == 2
    assert sim_kernel.llmos("scheduler", "sue", "mlfq").returncode == 2
    assert json.loads(sim_kernel.llmos("scheduler", "--json").stdout)["policy"] == "mlfq"


def test_a_session_is_given_its_share(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        spawned = wire.get("spawn", interactive=True, root=str(sim_kernel.root))
        pid = spawned["pid"]
        (row,) = (one for one in wire.get("ps")["processes"] if one["pid"] == pid)
        session = str(row["session"])
        told = sim_kernel.llmos("scheduler", "share", session, "2.5")
        assert told.stdout == f"session {session} counts 2.5 against 1 of others now\n"
        assert f"session {session} counts 2.5, others 1" in sim_kernel.llmos("scheduler").stdout
        for weight in ("0", "1000", "nan"):
            refused = sim_kernel.llmos("scheduler", "share", session, weight)
            assert refused.returncode == 2 and "from 0.01 to 100" in refused.stderr, refused
        assert sim_kernel.llmos("scheduler", "share", session, "much").returncode == 2
        assert "no session 99999" in sim_kernel.llmos("scheduler", "share", "99999", "2").stderr
        assert sim_kernel.llmos("scheduler", "share", session, "1").returncode == 0
        assert "others 1" not in sim_kernel.llmos("scheduler").stdout
        wire.get("kill", pid=pid, signal="KILL")
        wire.get("wait", pid=pid)


def test_why_says_it_in_sentences_and_in_a_word(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, root=str(sim_kernel.root))["pid"]
        told = sim_kernel.llmos("why", str(pid))
        assert (told.returncode, told.stdout) == (
            0,
            f"It waits for a message: llmos send {pid} TEXT.\n",
        )
        document = json.loads(sim_kernel.llmos("why", str(pid), "--json").stdout)
        assert (document["waits_for"], document["state"]) == ("message", "blocked")
        wire.get("kill", pid=pid, signal="KILL")
        wire.get("wait", pid=pid)
    assert "has ended with exit status 137" in sim_kernel.llmos("why", str(pid)).stdout
    nobody = sim_kernel.llmos("why", "99999")
    assert nobody.returncode == 1 and "no process 99999" in nobody.stderr


def test_ps_shows_level_blocks_and_hit_rate(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, root=str(sim_kernel.root), attach=True)["pid"]
        for _ in range(2):
            wire.get("send", pid=pid, text="hello there")
            wire.until("turn")
        lines = sim_kernel.llmos("ps", "-l").stdout.splitlines()
        wire.get("kill", pid=pid, signal="KILL")
    header = lines[0].split()
    (row,) = (line.split() for line in lines if line.split()[0] == str(pid))
    assert header[11:14] == ["LEVEL", "BLOCKS", "HIT"]
    level, blocks, hit = row[11:14]
    assert (level, blocks) == ("-1", "0") and 50 <= int(hit.removesuffix("%")) < 100
