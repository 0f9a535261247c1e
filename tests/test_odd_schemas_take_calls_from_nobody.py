"""Syscalls whose arguments no grammar holds in full take calls from nobody, on the real engine."""

from __future__ import annotations

from harness import KernelProcess

PLUGIN = """
from pathlib import Path
from typing import Annotated
from pydantic import BaseModel, Field
from llmos import syscall

class Tree(BaseModel):
    name: str
    branches: list["Tree"] = []

@syscall(listed=False)
def odd_schema(
    names: set[str] = frozenset(),
    step: Annotated[int, Field(multiple_of=5)] = 5,
    code: Annotated[str, Field(pattern="^[a-z]+$", min_length=2, max_length=4)] = "abc",
    path: Path = Path("."),
    pair: tuple[int, str] = (1, "a"),
    numbers: dict[Annotated[str, Field(pattern="^x")], float] = {},
    tree: Tree = Tree(name="oak"),
) -> str:
    "Take all that is hard to say."
    return "taken"
"""


def test_an_agent_that_is_offered_one_goes_on(kernel: KernelProcess) -> None:
    kernel.plugins_dir.mkdir(parents=True, exist_ok=True)
    file = kernel.plugins_dir / "odd.py"
    file.write_text(PLUGIN)
    try:
        kernel.plugin_in_use("odd")
        run = kernel.llmos("run", "--tools", "calculate,odd_schema", "what is 37 * 12")
    finally:
        file.unlink()
    assert (run.returncode, run.stdout) == (0, "37 * 12 = 444\n"), run.stderr
