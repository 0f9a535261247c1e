"""From the command line: a trace is recorded, looked at, drawn, replayed, and policies compared."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import KernelProcess
from llmos.trace.reading import read
from recording import crowd, traced


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trace")
    traced(folder, crowd)
    return folder / "recorded.trace"


def llmos(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llmos", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_is_recorded_for_a_time_into_a_new_file(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        first = wire.get("spawn", root=str(sim_kernel.root), interactive=True, attach=True)["pid"]
        recorder = subprocess.Popen(
            [sys.executable, "-m", "llmos", "trace", "record", "here.trace", "--for", "3s"],
            env=sim_kernel.env, cwd=sim_kernel.root, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert recorder.stderr is not None
        assert "recording into" in recorder.stderr.readline()
        busy = sim_kernel.llmos("trace", "record", "there.trace")
        wire.get("send", pid=first, text="call now {}")
        wire.until("turn")
        said, _ = recorder.communicate()
        wire.get("kill", pid=first, signal="KILL")
    assert (recorder.returncode, said) == (0, f"{sim_kernel.root / 'here.trace'}\n")
    trace = read(sim_kernel.root / "here.trace")
    kinds = [event["e"] for event in trace.events if event.get("pid") == first]
    generation = ["ask", "admit", "first", "leave"]
    assert kinds == ["process", *generation, "gap", *generation, "idle"]
    assert trace.whole and trace.policies == ["mlfq"]
    assert busy.returncode == 75 and "is being recorded into" in busy.stderr
    again = sim_kernel.llmos("trace", "record", "here.trace", "--for", "1s")
    assert again.returncode == 1 and "is there already" in again.stderr


def test_ctrl_c_ends_the_recording(sim_kernel: KernelProcess) -> None:
    recorder = subprocess.Popen(
        [sys.executable, "-m", "llmos", "trace", "record", "--json"],
        env=sim_kernel.env, cwd=sim_kernel.root, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert recorder.stderr is not None
    assert "Ctrl-C ends it" in recorder.stderr.readline()
    recorder.send_signal(signal.SIGINT)
    said, _ = recorder.communicate(timeout=60)
    assert recorder.returncode == 0
    document = json.loads(said)
    path = Path(document["path"])
    assert path.parent == sim_kernel.root and path.name.endswith(".trace")
    assert read(path).whole and document["events"] == len(read(path).events)


def test_show_says_what_a_trace_holds_and_draws_it(path: Path, tmp_path: Path) -> None:
    shown = llmos("trace", "show", path, "--chrome", tmp_path / "drawn.json")
    assert shown.returncode == 0, shown.stderr
    assert "processes  30 with" in shown.stdout and "gap        now:" in shown.stdout
    assert json.loads((tmp_path / "drawn.json").read_text())["traceEvents"]
    document = json.loads(llmos("trace", "show", path, "--json").stdout)
    assert document["ok"] and document["whole"] and document["processes"] == 30


def test_compare_prints_each_policy_beside_plain(path: Path) -> None:
    compared = llmos("trace", "compare", path, "--policy", "fifo", "--policy", "mlfq")
    assert compared.returncode == 0, compared.stderr
    rows = [line.split()[0] for line in compared.stdout.splitlines()[3:]]
    assert rows == ["MEAN", "recorded", "plain", "fifo", "mlfq"]
    assert "costs of a step: the engine's, as the trace says" in compared.stdout
    document = json.loads(llmos("trace", "compare", path, "--json").stdout)
    assert list(document["policies"]) == ["plain", "mlfq", "clairvoyant"]
    assert document["error"]["mean_ratio"] == pytest.approx(1, abs=0.05)
    for row in document["policies"].values():
        assert row["mean"] > 0 and 0 < row["hit_rate"] < 1


def test_replay_says_how_true_it_is(path: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "replayed.json"
    replayed = llmos("trace", "replay", path, "--json", "--chrome", drawn)
    document = json.loads(replayed.stdout)
    assert document["policy"] == "mlfq" and document["error"]["median_error"] < 0.05
    assert len(document["completions"]) == len(document["pids"]) == 30
    assert json.loads(drawn.read_text())["traceEvents"]
    other = json.loads(llmos("trace", "replay", path, "--policy", "fifo", "--json").stdout)
    assert other["policy"] == "fifo" and "error" not in other


def test_mistakes_are_told(path: Path, tmp_path: Path) -> None:
    unknown = llmos("trace", "compare", path, "--policy", "mlqf")
    assert unknown.returncode == 2 and "there is no policy 'mlqf'" in unknown.stderr
    missing = llmos("trace", "show", tmp_path / "none.trace", "--json")
    assert missing.returncode == 2 and not json.loads(missing.stdout)["ok"]
    assert llmos("trace", "replay").returncode == 2
    assert llmos("trace", "record", "--policy", "fifo").returncode == 2
