"""What is in windows, what has left them and what that takes: at the terminal, on a real kernel."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import KernelProcess, running_kernel
from llmos.kernel.messages import PageRow
from llmos.shell.memory_map import LAYERS, history
from llmos.shell.verbs.memory import size_text

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelProcess]:
    """2 has talked past its window, pinned page 4, forgotten page 6; 3 is a fork of it."""
    with running_kernel("--driver=simulated", "--low=0.02") as kernel:
        tools = "pin,forget,page_in,block_write"
        pid = kernel.llmos("spawn", "-i", "--name", "talker <&>", "--tools", tools).stdout.strip()
        assert pid == "2"
        with kernel.wire() as wire:
            wire.get("attach", pid=2)

            def say(text: str) -> None:
                wire.get("send", pid=2, text=text)
                wire.until("turn")

            for number in range(5):
                say(f"hello {number}")
            say('call pin {"page": 4}')
            say('call forget {"page": 6}')
            say('call block_write {"name": "plan", "text": "walk to the shop"}')
            for _ in range(5):
                say("long " * 900)
            say('call page_in {"page": 0}')
        kernel.llmos("fork", "2", "hello")
        yield kernel


def document(kernel: KernelProcess, *arguments: str) -> dict[str, Any]:
    done = kernel.llmos(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_pages_lists_the_page_table(kernel: KernelProcess) -> None:
    rows = [line.split(maxsplit=3) for line in kernel.llmos("pages", "2").stdout.splitlines()]
    assert rows[0][:3] == ["PAGE", "ROLE", "TOKENS"]
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(len(rows) - 1)]
    table = {int(row[0]): row[3] for row in rows[1:]}
    assert table[0].startswith("evicted shared by 2 ") and " ago " in table[0]
    assert table[4].startswith("resident pinned")
    assert table[6].startswith("evicted unwanted")
    copy = max(number for number, row in table.items() if "recalled" in row)
    assert table[copy].startswith("resident recalled")
    assert table[4].endswith("hello 2")


def test_the_numbers_add_up(kernel: KernelProcess) -> None:
    found = document(kernel, "pages", "2")
    assert found["name"] == "talker <&>"
    resident = [page for page in found["pages"] if page["left"] is None]
    assert len(document(kernel, "pages", "2", "--resident")["pages"]) == len(resident)
    assert len(document(kernel, "pages", "2", "-n", "3")["pages"]) == 3
    (mine,) = [one for one in document(kernel, "du")["processes"] if one["pid"] == 2]
    assert mine["pages"] == len(found["pages"])
    assert mine["resident_tokens"] == sum(page["shown_tokens"] for page in resident)
    assert mine["evicted_tokens"] == sum(
        page["num_tokens"] for page in found["pages"] if page["left"] is not None
    )
    gone = sum(flush["num_pages"] for flush in found["flushes"])
    assert gone == len(found["pages"]) - len(resident)


def test_du_counts_shared_pages_once_in_all(kernel: KernelProcess) -> None:
    usage = document(kernel, "du")
    two, three = usage["processes"]
    assert (two["pid"], three["pid"]) == (2, 3)
    assert three["bytes"] > two["bytes"], "a fork has its parent's pages"
    assert usage["text_bytes"] == two["own_bytes"] + three["own_bytes"]
    assert usage["swap_bytes"] > usage["text_bytes"] > 0
    lines = kernel.llmos("du").stdout.splitlines()
    assert lines[1].split()[0] == "2" and lines[1].endswith("talker <&>")
    assert any("files: swap " in line for line in lines)
    assert lines[-1].startswith("recall: "), lines[-1]


def test_proc_has_a_folder_for_each_process(kernel: KernelProcess) -> None:
    status = dict(
        line.split(":", 1) for line in kernel.llmos("cat", "/proc/2/status").stdout.splitlines()
    )
    assert status["name"].strip() == "talker <&>"
    assert status["pages pinned"].strip() == "1"
    assert status["faults"].strip() == "1"
    assert int(status["flushes"]) >= 1
    pages = kernel.llmos("cat", "/proc/2/pages").stdout.splitlines()
    assert pages[4].split("\t") == ["4", "user", "2", "resident", "p--s", "hello 2"]
    assert kernel.llmos("cat", "/proc/2/blocks").stdout == "[plan]\nwalk to the shop\n"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/proc/2/stats", "did you mean status?"),
        ("/proc/2", "there are status, context, pages, blocks, "),
        ("/proc", "there are 1, 2, 3, engine, "),
        ("/proc/999/status", "no process 999"),
        ("/etc/passwd", "there is no /etc/passwd"),
    ],
)
def test_what_is_not_there_is_told(kernel: KernelProcess, path: str, words: str) -> None:
    done = kernel.llmos("cat", path)
    assert done.returncode == 1 and words in done.stderr and not done.stdout


def test_ps_counts_flushes_and_faults(kernel: KernelProcess) -> None:
    lines = kernel.llmos("ps", "-l").stdout.splitlines()
    flushes, faults = lines[0].split().index("FLUSHES"), lines[0].split().index("FAULTS")
    (row,) = [line.split() for line in lines if line.split()[0] == "2"]
    assert int(row[flushes]) >= 1 and row[faults] == "1"


def test_the_map_is_a_picture_of_all_that_happened(kernel: KernelProcess, tmp_path: Path) -> None:
    file = tmp_path / "map.svg"
    done = kernel.llmos("memory-map", "2", "--svg", str(file))
    assert done.stdout == f"{file}\n"
    svg = ElementTree.parse(file).getroot()
    flushes = document(kernel, "pages", "2")["flushes"]
    marks = [
        one
        for one in svg.findall(f"{SVG}line[@class='flush']")
        if one.find(f"{SVG}title") is not None
    ]
    assert len(marks) == len(flushes) > 0
    drawn = {one.get("class") for one in svg.findall(f"{SVG}path")}
    assert {"pinned", "shared", "recalled", "evicted"} >= drawn >= {"pinned", "evicted"}
    (title,) = svg.findall(f"{SVG}text[@class='title']")
    assert title.text == "Memory of process 2: talker <&>"
    assert "prefers-color-scheme: dark" in file.read_text()
    again = kernel.llmos("memory-map", "2", "--svg", "-", "--by", "pages").stdout
    assert ElementTree.fromstring(again).find(f"{SVG}path") is not None
    refused = kernel.llmos("memory-map", "2", "--svg", "/no/such/folder/x.svg")
    assert refused.returncode == 2 and "cannot write" in refused.stderr


def test_fsck_reads_every_page(kernel: KernelProcess) -> None:
    done = kernel.llmos("fsck")
    total = sum(one["pages"] for one in document(kernel, "du")["processes"])
    assert done.returncode == 0
    assert done.stdout == f"{total:,} pages read: no problems\n"


def test_the_curve_of_the_map_is_the_sum_of_the_pages() -> None:
    def page(vpn: int, created: float, left: float | None, **marks: Any) -> PageRow:
        usual = {"processes": 1, "pinned": False, "unwanted": False, "recalled": False}
        return PageRow(
            vpn, "user", 100, 40, created=created, left=left, begins="", **(usual | marks)
        )

    names = [name for name, _ in LAYERS]
    moments, stacks = history(
        [page(0, 1.0, 5.0), page(1, 2.0, None, pinned=True), page(2, 3.0, 5.0, recalled=True)]
    )
    assert moments == [1.0, 2.0, 3.0, 5.0]
    told = [{name: n for name, n in zip(names, stack, strict=True) if n} for stack in stacks]
    assert told == [
        {"resident": 40},
        {"resident": 40, "pinned": 40},
        {"resident": 40, "pinned": 40, "recalled": 40},
        {"pinned": 40, "evicted": 200},
    ]
    moments, stacks = history([page(n, float(n), None) for n in range(5000)])
    assert len(moments) < 1000 and stacks[-1][names.index("resident")] == 200_000


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1400, "1.4 kB"), (23_400_000, "23 MB"), (5e12, "5000 GB")],
)
def test_sizes_are_said_shortly(size: float, words: str) -> None:
    assert size_text(size) == words
