"""Whoever is killed in the middle of an ingestion, the client or the kernel: the same command again
goes on, and what comes of it is what an undisturbed run would have brought."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import KernelProcess, running_kernel
from library import llmos, search

FILES = 40
KILLS = 4
DEADLINE_S = 60.0


@pytest.fixture
def kernel() -> Iterator[KernelProcess]:
    with running_kernel("--driver=simulated") as kernel:
        yield kernel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that share passages, one that takes many batches, and a copy of it."""
    for number in range(FILES):
        sections = [f"# Part {part}\n\nFile {number} speaks of item {part}." for part in range(20)]
        (tmp_path / f"{number:02d}.md").write_text("\n\n".join([*sections, "# End\n\nSo it is."]))
    chapters = [f"# Chapter {n}\n\nIt rains for the {n}th time." for n in range(600)]
    for name in ("aa_long.md", "zz_copy.md"):
        (tmp_path / name).write_text("\n\n".join(chapters))
    return tmp_path


def content(kernel: KernelProcess, namespace: str) -> list[tuple[Any, ...]]:
    """All that the namespace holds, without its numbers; and it holds itself together."""
    with sqlite3.connect(f"file:{journal(kernel)}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT source, size, mtime_ns, kb_document.digest, position, first, last, text"
            " FROM kb_document JOIN kb_place ON kb_place.document = kb_document.id"
            " JOIN kb_passage USING (page)"
            " WHERE kb_document.namespace = ? AND upload = version ORDER BY source, position",
            (namespace,),
        ).fetchall()
        for broken in (
            "SELECT * FROM kb_document WHERE version = 0",
            "SELECT * FROM kb_upload",
            "SELECT * FROM kb_place JOIN kb_document ON document = id WHERE upload != version",
            "SELECT * FROM kb_passage WHERE page NOT IN (SELECT page FROM kb_place)",
            "SELECT * FROM kb_place WHERE page NOT IN (SELECT page FROM kb_passage)",
            "SELECT count(*) FROM kb_passage GROUP BY namespace, digest HAVING count(*) > 1",
        ):
            assert connection.execute(broken).fetchall() == [], broken
    return rows


def test_a_killed_client(kernel: KernelProcess, folder: Path) -> None:
    llmos(kernel, "ingest", str(folder), "-n", "whole")
    for kill in range(KILLS):
        client = start(kernel, folder)
        wait_for_places(kernel, client, 150 + 300 * kill)
        client.kill()
        client.wait()
    done = llmos(kernel, "ingest", str(folder), "-n", "killed")
    assert 0 < done["unchanged"] < FILES + 2
    assert content(kernel, "killed") == content(kernel, "whole")
    assert llmos(kernel, "ingest", str(folder), "-n", "killed")["unchanged"] == FILES + 2


def test_a_killed_kernel(kernel: KernelProcess, folder: Path) -> None:
    llmos(kernel, "ingest", str(folder), "-n", "whole")
    for kill in range(KILLS):
        client = start(kernel, folder)
        wait_for_places(kernel, client, 150 + 300 * kill)
        kernel.kill9()
        assert client.wait(DEADLINE_S) == 69
        kernel.start().ready()
    llmos(kernel, "ingest", str(folder), "-n", "killed")
    assert content(kernel, "killed") == content(kernel, "whole")
    (found,) = search(kernel, "killed", "It rains for the 577th time")
    assert [(Path(one["path"]).name, one["first"]) for one in found["cited"]] == [
        ("aa_long.md", 2309),
        ("zz_copy.md", 2309),
    ]


def test_what_was_there_is_not_sent_again(kernel: KernelProcess, folder: Path) -> None:
    """Of a file that has changed, only the passages that have changed are new."""
    llmos(kernel, "ingest", str(folder), "-n", "whole")
    before = pages(kernel)
    long = folder / "aa_long.md"
    long.write_text(long.read_text().replace("for the 300th time", "at last no more"))
    done = llmos(kernel, "ingest", str(folder), "-n", "whole")
    assert (done["changed"], done["unchanged"]) == (1, FILES + 1)
    assert len(pages(kernel) - before) == 1
    llmos(kernel, "ingest", "--remove", str(folder / "zz_copy.md"), "-n", "whole")
    assert len(before - pages(kernel)) == 1


def test_two_at_once_do_not_mix(kernel: KernelProcess, folder: Path) -> None:
    """Whoever began last wins; the other one is told."""
    text = {"heading": "", "first": 1, "last": 1}
    source = {"path": "/a.md", "size": 1, "mtime_ns": 1, "digest": "x"}
    with kernel.wire() as wire:
        wire.get("kb_open", namespace="n")
        fields: dict[str, Any] = {"namespace": "n", "source": source}
        first = wire.get("kb_add", passages=[text | {"text": "one"}], last=False, **fields)
        second = wire.get("kb_add", passages=[text | {"text": "two"}], last=False, **fields)
        late = wire.ask("kb_add", passages=[], upload=first["upload"], position=1, **fields)
        assert late["error"]["code"] == "EAGAIN"
        wire.get("kb_add", passages=[], upload=second["upload"], position=1, **fields)
    assert [row[-1] for row in content(kernel, "n")] == ["two"]


def journal(kernel: KernelProcess) -> Path:
    return kernel.state_dir / "llmos.db"


def pages(kernel: KernelProcess) -> set[int]:
    with sqlite3.connect(f"file:{journal(kernel)}?mode=ro", uri=True) as connection:
        return {page for (page,) in connection.execute("SELECT page FROM kb_passage")}


def start(kernel: KernelProcess, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "llmos", "ingest", str(folder), "-n", "killed"],
        env=kernel.env,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for_places(kernel: KernelProcess, client: subprocess.Popen[bytes], number: int) -> None:
    """Until that many passages of the namespace `killed` are placed: a moment in the middle."""
    deadline = time.monotonic() + DEADLINE_S
    with sqlite3.connect(f"file:{journal(kernel)}?mode=ro", uri=True) as connection:
        while time.monotonic() < deadline:
            (found,) = connection.execute(
                "SELECT count(*) FROM kb_place JOIN kb_document ON document = id"
                " WHERE namespace = 'killed'"
            ).fetchone()
            if found >= number:
                return
            assert client.poll() is None, f"it ended with {found} of {number} places"
            time.sleep(0.002)
    raise AssertionError("the client did not get so far in time")
