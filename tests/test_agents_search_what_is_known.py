"""An agent finds what documents say, with file and line, and what was said to it on a day."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from harness import KernelProcess, Wire
from library import llmos, write_folder


def searched(wire: Wire, kernel: KernelProcess, **arguments: str) -> str:
    task = f"call search_memory {json.dumps(arguments)}"
    root = str(kernel.root)
    pid = wire.get("spawn", task=task, root=root, tools=["search_memory"])["pid"]
    output: str = wire.get("wait", pid=pid)["output"]
    return output


def test_documents_are_cited(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "harbour")
    llmos(sim_kernel, "ingest", str(folder), "-n", "searched")
    with sim_kernel.wire() as wire:
        for scope in ("searched", "all"):
            found = searched(wire, sim_kernel, query="keeper trims the wick", scope=scope)
            best = found.splitlines()[-1]
            assert "/harbour/lighthouse.md:5-7: " in best  # others have ingested the same
            assert "trims the wick at dusk" in best


def test_what_may_not_be_read_is_not_found(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "harbour")
    llmos(sim_kernel, "ingest", str(folder), "-n", "closed", "--readers", "owner")
    with sim_kernel.wire() as wire:
        denied = searched(wire, sim_kernel, query="keeper trims the wick", scope="closed")
        assert denied.startswith("EPERM")
        everywhere = searched(wire, sim_kernel, query="keeper trims the wick", scope="all")
        assert str(folder) not in everywhere
        missing = searched(wire, sim_kernel, query="wick", scope="closet")
        assert missing.startswith("ENOENT") and "closet" in missing


def test_a_day_that_is_none_is_refused(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        refused = searched(wire, sim_kernel, query="wick", when="someday")
        assert refused.startswith("EINVAL") and "'someday' is no day" in refused
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        assert searched(wire, sim_kernel, query="wick", when=today) == "nothing about wick"
