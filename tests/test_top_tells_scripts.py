"""`top -b` tells scripts what runs and what it takes, within 5 % of what the engine says."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from harness import KernelProcess, Wire, running_kernel
from llmos.kernel.messages import ProcessInfo, TopRow
from real import QUESTION, end, idle, until

TOP = [sys.executable, "-m", "llmos", "top", "-b"]
NUM_AGENTS = 6


@pytest.fixture(scope="module")
def machine() -> Iterator[KernelProcess]:
    with running_kernel("--driver=simulated") as kernel:
        yield kernel


@pytest.fixture
def wire(machine: KernelProcess) -> Iterator[Wire]:
    with machine.wire() as wire:
        yield wire


def near(said: float, true: float, least: float = 0.0) -> bool:
    """Within 5 %, or nearer than `least`."""
    return abs(said - true) <= max(0.05 * abs(true), least)


def row(document: dict[str, Any], pid: int) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["processes"] if one["pid"] == pid)
    return found


def test_json_is_one_document_with_all_there_is(machine: KernelProcess, wire: Wire) -> None:
    pid = wire.get("spawn", task="count 3000", root="/", name="busy", budget=100_000)["pid"]
    until(lambda: row(wire.get("top"), pid)["state"] == "running")
    run = machine.llmos("top", "-b", "-n", "1", "-d", "0.5", "--json")
    document = json.loads(run.stdout)
    assert (run.returncode, document["ok"]) == (0, True)
    assert {"taken", "interval_s", "uptime_s", "memory_bytes", "os_pid", "version"} <= set(document)
    assert {"state", "model", "tokens_in_per_s", "tokens_out_per_s"} <= set(document["engine"])
    assert set(document["load"]) == {"running", "waiting", "blocks_used", "blocks_total"}
    assert set(document["totals"]) == {"tokens_in", "tokens_cached", "tokens_out", "requests"}
    assert {"policy", "slots", "running", "waiting", "levels", "blocks"} == set(document["queue"])
    assert document["pages"] == {"resident": 1, "evicted": 0}
    busy = row(document, pid)
    fields = set(TopRow.__dataclass_fields__) | {"tokens_per_s", "hit_rate"}
    assert set(busy) == fields > set(ProcessInfo.__dataclass_fields__)
    assert busy["tokens_per_s"] > 10 and near(
        busy["tokens_per_s"], document["engine"]["tokens_out_per_s"]
    )
    used = busy["usage"]
    assert busy["tokens_left"] == 100_000 - used["tokens_in"] - used["tokens_out"]
    blocks = math.ceil(
        (used["tokens_in"] + used["tokens_out"]) / document["queue"]["blocks"]["tokens"]
    )
    assert (
        near(busy["kv_blocks"], blocks, 1) and document["load"]["blocks_used"] == busy["kv_blocks"]
    )
    end(wire, pid)


def test_a_call_that_is_under_way_is_named(machine: KernelProcess, wire: Wire) -> None:
    folder = machine.plugins_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "slow.py").write_text(
        "import time\n\nfrom llmos import syscall\n\n\n"
        '@syscall\ndef dawdle() -> str:\n    """Take long."""\n    time.sleep(20)\n    return ""\n'
    )
    machine.plugin_in_use("slow")
    pid = wire.get("spawn", task="call dawdle", root="/", tools=["dawdle"])["pid"]
    until(lambda: row(wire.get("top"), pid)["syscall"] == "dawdle")
    shown = machine.llmos("top", "-d", "0.1", "-n", "1")
    assert shown.returncode == 0
    assert next(one for one in shown.stdout.splitlines() if "call dawdle" in one).split()[-3] == (
        "dawdle"
    )
    end(wire, pid)


def test_several_readings_are_a_line_each(machine: KernelProcess) -> None:
    run = machine.llmos("top", "-b", "--json", "-n", "3", "-d", "0.1")
    documents = [json.loads(line) for line in run.stdout.splitlines()]
    assert [document["ok"] for document in documents] == [True] * 3
    assert documents[0]["taken"] < documents[1]["taken"] < documents[2]["taken"]
    assert all(document["interval_s"] >= 0.1 for document in documents)


def test_it_ends_quietly_when_nobody_reads_on(machine: KernelProcess) -> None:
    command = f"{sys.executable} -m llmos top -b -d 0.05 | head -1"
    run = subprocess.run(command, shell=True, env=machine.env, capture_output=True, text=True)
    assert run.stdout.startswith("engine ready") and run.stderr == ""


def test_text_sorts_filters_and_draws_the_tree(machine: KernelProcess, wire: Wire) -> None:
    above = wire.get("spawn", interactive=True, root="/", name="zeta")["pid"]
    below = wire.get("spawn", interactive=True, root="/", name="alpha", parent=above)["pid"]

    def names(*arguments: str) -> list[str]:
        lines = machine.llmos("top", "-d", "0.05", "-n", "1", *arguments).stdout.splitlines()
        header = next(i for i, line in enumerate(lines) if line.split()[:1] == ["PID"])
        return [line[lines[header].index("NAME") :] for line in lines[header + 1 :]]

    assert names("--sort", "name", "--filter", "message") == ["alpha", "zeta"]
    assert names("--sort", "name", "-r", "--filter", "message") == ["zeta", "alpha"]
    assert names("-t", "--sort", "pid", "--filter", "message") == ["zeta", "  alpha"]
    refused = machine.llmos("top", "-b", "--sort", "nmae")
    assert refused.returncode == 2 and "did you mean name?" in refused.stderr
    refused = machine.llmos("top", "-b", "-n", "0")
    assert refused.returncode == 2 and "'0' is not a number of readings" in refused.stderr
    end(wire, below)
    end(wire, above)


def test_off_a_terminal_it_is_text(machine: KernelProcess) -> None:
    shown = machine.llmos("top", "-d", "0.05", "-n", "1").stdout
    assert shown.startswith("engine ready") and "\x1b" not in shown


def test_on_the_real_engine_the_figures_are_the_engines(kernel: KernelProcess) -> None:
    with kernel.wire() as wire, kernel.wire() as asking:
        agents = [idle(wire, kernel) for _ in range(NUM_AGENTS)]
        before = asking.get("status")["usage"]
        command = [*TOP, "--json", "-d", "0.1", "-n", "400"]
        with subprocess.Popen(command, env=kernel.env, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            documents = [json.loads(run.stdout.readline())]
            for pid in agents:
                wire.get("send", pid=pid, text=QUESTION)
            assert {wire.until("turn")["pid"] for _ in agents} == set(agents)
            after = asking.get("status")["usage"]
            while documents[-1]["taken"] < asking.get("top")["taken"]:
                documents.append(json.loads(run.stdout.readline()))
                if documents[-1]["load"]["running"] == 0 and len(documents) > 3:
                    break
            run.terminate()
        rows = [row(documents[-1], pid) for pid in agents]
        end(wire, *agents)
    first, last = documents[0], documents[-1]
    for name in ("tokens_in", "tokens_cached", "tokens_out"):
        spent = sum(one["usage"][name] for one in rows)
        assert spent > 0
        assert near(spent, last["totals"][name] - first["totals"][name]), name
        assert near(spent, after[name] - before[name]), name
    assert last["load"]["blocks_used"] == 0, "the engine has nothing in it any more"
    busy = [one for one in documents if one["load"]["running"]]
    assert busy, "the engine was seen at work"
    for document in busy:
        held = [row(document, pid) for pid in agents]
        held = [one for one in held if one["kv_blocks"]]
        blocks = [one["kv_blocks"] for one in held]
        assert max(blocks, default=0) <= document["load"]["blocks_used"] <= sum(blocks)
        size = document["queue"]["blocks"]["tokens"]
        for one in held:
            if one["usage"]["tokens_in"]:
                tokens = one["usage"]["tokens_in"] + one["usage"]["tokens_out"]
                assert near(one["kv_blocks"], math.ceil(tokens / size), 1)
        pace = sum(one["tokens_per_s"] or 0 for one in document["processes"])
        assert near(pace, document["engine"]["tokens_out_per_s"], 1)
