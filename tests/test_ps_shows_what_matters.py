"""`ps` has a column for what there is to tell, fits a terminal, and can be sorted and cut down."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import cast

import pytest

from fake_kernel import RunningFake, fake_kernel
from harness import KernelProcess
from llmos.kernel.messages import AttachInfo, ProcessInfo, Usage
from llmos.shell.client import Client, Record
from llmos.shell.output import count_text
from llmos.shell.verbs.processes import (
    SHOWN,
    SORTS,
    limits_text,
    short_columns,
    table_of,
    tree,
)
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


@pytest.fixture(scope="module")
def fake() -> Iterator[RunningFake]:
    """2 with the children 3 (stopped, nice, bounded) and 4, the child 5 of 4, and 6, ended."""
    with fake_kernel() as fake:
        for line in (
            "spawn -i --name top",
            "spawn -i --name bounded --parent 2 --nice 7 --budget 10k --limit tokens=1k:2k",
            "spawn -i --name calm --parent 2",
            "spawn -i --name below --parent 4",
            "spawn -i --name gone",
            "stop 3",
            "kill -9 6",
        ):
            llmos(fake, *line.split())
        yield fake


def llmos(fake: RunningFake, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LLMOS, *arguments], env=fake.env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def pids(fake: RunningFake, *arguments: str) -> list[int]:
    document = json.loads(llmos(fake, "ps", "--json", *arguments).stdout)
    return [info["pid"] for info in document["processes"]]


def test_a_row_says_how_a_process_is(fake: RunningFake) -> None:
    rows = {line.split()[0]: line for line in llmos(fake, "ps").stdout.splitlines()}
    assert "stopped" in rows["3"] and rows["3"].endswith("CONT (cont 3)")
    assert rows["6"].endswith("exit 137: killed (KILL)")
    assert rows["4"].endswith("a message")


def test_columns_appear_when_they_have_something_to_say(fake: RunningFake) -> None:
    header = llmos(fake, "ps").stdout.splitlines()[0].split()
    assert "NI" in header and "LEFT" in header
    header = llmos(fake, "ps", "--state", "zombie").stdout.splitlines()[0].split()
    assert "NI" not in header and "LEFT" not in header
    bounded = next(line for line in llmos(fake, "ps").stdout.splitlines() if " bounded " in line)
    assert " 9,986 " in bounded, "10,000 less 12 - 3 + 5 tokens"


def test_the_long_form_tells_means(fake: RunningFake) -> None:
    lines = llmos(fake, "ps", "-l").stdout.splitlines()
    assert lines[0].split()[:9] == "PID PPID GROUP SESSION STATE NICE BUDGET LEFT LIMITS".split()
    row = next(line.split() for line in lines if line.split()[0] == "3")
    assert row[4:9] == ["stopped", "7", "10,000", "9,986", "tokens=1000:2000"]


def test_the_tree_is_indented(fake: RunningFake) -> None:
    lines = llmos(fake, "ps", "-t").stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["2", "3", "4", "5", "6"]
    column = lines[0].index("top")
    assert lines[1].index("bounded") == column + 2
    assert lines[3].index("below") == column + 4
    assert lines[4].index("gone") == column


def test_a_tree_whose_root_is_left_out_still_stands() -> None:
    rows = [
        cast(ProcessInfo, Record(pid=pid, parent=parent))
        for pid, parent in ((4, 2), (5, 4), (9, 5), (6, 4), (3, 2))
    ]
    listed = [(info.pid, depth) for info, depth in tree(rows)]
    assert listed == [(4, 0), (5, 1), (9, 2), (6, 1), (3, 0)]


def test_it_can_be_sorted_and_cut_down(fake: RunningFake) -> None:
    assert pids(fake) == [2, 3, 4, 5, 6]
    assert pids(fake, "--sort", "name") == [5, 3, 4, 6, 2]
    assert pids(fake, "--sort", "NI", "-r")[0] == 3
    assert pids(fake, "--sort", "left")[0] == 3
    assert pids(fake, "-r") == [6, 5, 4, 3, 2]
    assert pids(fake, "--state", "stopped,zombie") == [3, 6]
    assert pids(fake, "-g", "4") == [4]
    assert pids(fake, "--tree", "--sort", "name") == [6, 2, 3, 4, 5]


def test_it_shows_the_columns_that_are_chosen(fake: RunningFake) -> None:
    lines = llmos(fake, "ps", "-o", "name,PID,tokens,left,waits_for", "-t").stdout.splitlines()
    assert lines[0].split() == ["NAME", "PID", "TOKENS", "LEFT", "WAITS", "FOR"]
    assert lines[2].startswith("  bounded") and lines[2].split()[1:4] == ["3", "14", "9,986"]
    refused = llmos(fake, "ps", "-o", "pid,nmae")
    assert refused.returncode == 2 and "no column 'nmae'; did you mean name?" in refused.stderr
    refused = llmos(fake, "ps", "--sort", "stat")
    assert refused.returncode == 2 and "did you mean state?" in refused.stderr


@pytest.mark.parametrize("name", SHOWN)
def test_every_column_can_be_shown_and_sorted_by(fake: RunningFake, name: str) -> None:
    run = llmos(fake, "ps", "--sort", name, "-o", name)
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == 6
    assert set(SORTS) == set(SHOWN)


def test_it_is_cut_down_by_name_and_session(fake: RunningFake) -> None:
    assert pids(fake, "--name", "O") == [2, 3, 5, 6]
    assert pids(fake, "--name", "el ow") == [5]
    assert pids(fake, "--session", "4") == [4]


def test_json_holds_everything(fake: RunningFake) -> None:
    document = json.loads(llmos(fake, "ps", "--json").stdout)
    info = next(one for one in document["processes"] if one["pid"] == 3)
    assert (info["nice"], info["budget"], info["state"]) == (7, 10_000, "stopped")
    assert info["limits"] == {"tokens": [1000, 2000]}
    assert {"group", "session", "parent", "usage", "exit_status", "waits_for"} <= info.keys()


@pytest.mark.parametrize("arguments", [[], ["-t"], ["-l"]])
def test_it_fits_a_terminal(fake: RunningFake, arguments: list[str]) -> None:
    with Terminal([*LLMOS, "ps", *arguments], env=fake.env, columns=100) as terminal:
        assert terminal.wait_exit() == 0
        lines = terminal.text().rstrip().splitlines()
        assert len(lines) == 6, "no line is folded"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (99_999, "99,999"), (100_000, "100k"), (9_999_999, "9999k"), (12_345_678, "12m")],
)
def test_a_count_stays_narrow(number: int, text: str) -> None:
    assert count_text(number) == text


def test_the_fullest_row_leaves_room_for_what_it_waits_for() -> None:
    most = 9_999_999
    usage = {"tokens_in": most, "tokens_cached": most, "tokens_out": most, "syscalls": 99_999}
    row = {
        **{"pid": 9999, "parent": 9998, "state": "running", "program": "agent", "nice": -20},
        **{"name": "n" * 60, "created": time.time() - 86_000, "exit_status": None},
        **{"budget": 2 * most, "usage": Record(usage), "waits_for": "a message"},
        "thrashing": False,
        "level": None,
        "queued_s": 0.0,
        "blocks": 0,
    }
    info = cast(ProcessInfo, Record(row))
    rows = [(info, 0)]
    header, line = table_of(short_columns([info]), rows, 100).splitlines()
    assert "WAITS FOR" in header
    assert line.endswith("  a message")
    rows = [(cast(ProcessInfo, Record(row | {"thrashing": True})), 0)]
    assert table_of(short_columns([info]), rows, None).endswith("  thrashing!, a message")


def test_limits_are_written_as_they_are_given() -> None:
    limits: dict[str, list[float | None]] = {
        "engine_s": [1.5, 1.5],
        "pages": [100, None],
        "tokens": [1000, 2000],
    }
    assert limits_text(limits) == "engine_s=1.5 pages=100: tokens=1000:2000"


def test_a_list_says_of_each_process_all_that_is_said_of_one(sim_kernel: KernelProcess) -> None:
    """The list comes by columns, a single process as an object."""
    with Client(str(sim_kernel.socket)) as client:
        bounds = {"limits": {"tokens": [1000, 2000]}, "budget": 100, "nice": 3}
        pid = client.ask("spawn", interactive=True, name="bounded", **bounds)["pid"]
        one = client.ask("attach", pid=pid)
        while one.waits_for != "a message":
            client.event(pid, timeout_s=30)
            one = client.ask("attach", pid=pid)
        listed = client.ask("ps").processes
        [row] = [info for info in listed if info.pid == pid]
        assert row == {name: one[name] for name in row}
        assert len({info.pid for info in listed}) == len(listed) > 1
        assert set(row) == {field.name for field in fields(ProcessInfo)}
        assert set(one) == {field.name for field in fields(AttachInfo)}
        assert set(one.usage) == {field.name for field in fields(Usage)}
        assert (one.limits, one.budget, one.nice) == tuple(bounds.values())
        client.ask("kill", pid=pid, signal="KILL")
        client.ask("wait", pid=pid)
