"""What docs/scripting.md shows works, and nothing of the API is missing on it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import llmos
from harness import KernelProcess
from llmos.scripting import sync
from llmos.scripting.group import Group
from llmos.scripting.kernel import Kernel
from llmos.scripting.process import Process

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "scripting.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
README = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


OURS = {"expect_turn", "was_told_to_end"}
"""For groups and pipelines, not for scripts."""


def public(found: type) -> set[str]:
    return {name for name in dir(found) if not name.startswith("_")} - OURS


@pytest.mark.parametrize("found", [Kernel, Process, Group])
def test_every_method_is_on_the_page(found: type) -> None:
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`|```.*?```", PAGE, re.DOTALL))))
    assert public(found) <= named | {"output"}, public(found) - named


@pytest.mark.parametrize(
    ("here", "there"),
    [(sync.Kernel, Kernel), (sync.Process, Process), (sync.Group, Group)],
)
def test_without_async_there_is_the_same(here: type, there: type) -> None:
    assert public(here) >= public(there)
    for name in public(there):
        one, other = getattr(here, name), getattr(there, name)
        if inspect.isfunction(one) and inspect.isfunction(other):
            assert list(inspect.signature(one).parameters) == list(
                inspect.signature(other).parameters
            ), name


@pytest.mark.parametrize("source", [BLOCKS[0], README[0]], ids=["page", "readme"])
def test_the_first_script_runs(sim_kernel: KernelProcess, source: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", source], env=sim_kernel.env, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("You said: Summarise this in a sentence.") == 3


async def test_the_pieces_run(sim_kernel: KernelProcess) -> None:
    """All that await something, in their order, in one connection."""
    (sim_kernel.root / "notes.txt").write_text("a note")
    pieces = [block for block in BLOCKS[1:] if "llmos.sync" not in block]
    assert len(pieces) >= 7
    async with llmos.connect(sim_kernel.state_dir, boot=False, root=sim_kernel.root) as k:
        names: dict[str, Any] = {
            "BaseModel": BaseModel,
            "llmos": llmos,
            "k": k,
            "diff": "+ a",
            "draft": "a draft",
            "text": "in 1999",
            "texts": ["one", "two"],
            "jobs": ["a", "b"],
        }
        for piece in pieces:
            indented = "".join(f"    {line}\n" for line in piece.splitlines())
            given = ", ".join(names)
            source = f"async def piece({given}):\n{indented}    return locals()\n"
            scope: dict[str, Any] = {}
            exec(compile(source, "docs/scripting.md", "exec"), scope)
            names |= await scope["piece"](**names)
            names.pop("_", None)
    assert names["numbers"] == [] and names["verdict"].approved is False
