"""From a trace whose settings were bad, tune finds better ones, says what speaks for them, and
writes a file that the kernel takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from llmos.kernel import command_line
from llmos.trace import comparing, tuning
from llmos.trace.reading import TraceError, read
from recording import CAPACITY, crowd, traced

NARROW = replace(CAPACITY, max_num_seqs=2)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slots, where the engine's blocks would do for many more."""
    folder = tmp_path_factory.mktemp("trace")
    traced(folder, crowd, capacity=NARROW)
    return folder / "recorded.trace"


def tune(path: Path, output: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llmos", "tune", path, "-o", output, *words]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=200)


def test_the_planted_better_setting_is_found_and_the_kernel_takes_it(
    path: Path, tmp_path: Path
) -> None:
    output = tmp_path / "kernel.toml"
    done = tune(path, output, "--trials", "16", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    best = document["best"]["engine"]["max_num_seqs"]
    assert document["current"]["engine"]["max_num_seqs"] == 2 and best >= 4
    simulated = document["simulated"]
    assert simulated["best"]["mean"] < 0.7 * simulated["current"]["mean"]
    assert all(ratio > 1.3 for ratio in document["ratios"]) and len(document["ratios"]) == 5

    text = output.read_text()
    assert text.startswith("# Found by llmos tune on 20") and "16 replays" in text
    assert tomllib.loads(text) == document["best"]
    taken = command_line.parse([f"--state-dir={tmp_path}"])
    assert taken.max_num_seqs == best
    assert taken.engine_args == {
        "max_num_batched_tokens": document["best"]["engine"]["max_num_batched_tokens"]
    }
    assert taken.scheduler == document["best"]["scheduler"]["policy"]

    before = output.read_bytes()
    again = tune(path, output)
    assert again.returncode == 2 and "is there already" in again.stderr
    assert output.read_bytes() == before


def test_nothing_is_changed_where_nothing_is_better(path: Path) -> None:
    trace = read(path)
    made = comparing.setup(trace)
    told: list[int] = []
    tuned = tuning.tune(
        made, goal="mean", policies=["mlfq"], trials=1, workers=1,
        say=lambda done, best: told.append(done),
    )  # fmt: skip
    assert tuned.best == tuned.current and set(tuned.ratios[tuned.best]) == {1.0}


def test_a_policy_that_was_chosen_for_what_it_promises_stays() -> None:
    assert tuning.default_policies("fair") == ("fair",)
    assert tuning.default_policies("fifo") == ("fifo", "mlfq", "round-robin")


def test_a_goal_that_the_trace_knows_nothing_of_is_refused(path: Path, tmp_path: Path) -> None:
    refused = tune(path, tmp_path / "kernel.toml", "--goal", "first_token")
    assert refused.returncode == 2 and "no interactive turn" in refused.stderr
    with pytest.raises(TraceError, match="no interactive turn"):
        tuning.value(comparing.setup(read(path)).recorded.result, "first_token")
