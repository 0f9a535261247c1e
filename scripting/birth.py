"""A process's birth, as a script asks for it."""

from __future__ import annotations

from typing import Unpack

from . import structured
from .means import Means, asked
from .process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .link import Link


def bear(
    link: Link,
    prompt: str | None,
    context: str | None,
    *,
    interactive: bool,
    attach: bool,
    output: Any = None,
    stdin: int | None = None,
    stdout: int | None = None,
    **means: Unpack[Means],
) -> Process[Any]:
    """One that is on its way into the kernel's table. Raises ValueError for amounts that are none,
    and pydantic's errors for an `output` that it makes no schema of."""
    request = {
        "task": task_of(prompt, context),
        "interactive": interactive,
        "attach": attach,
        "output_schema": structured.schema_of(output),
        "stdin": stdin,
        "stdout": stdout,
        **asked(means, link.root),
    }

    async def born() -> int:
        return int((await link.ask("spawn", **request, parent=await link.parent())).pid)

    process: Process[Any] = Process(link, born(), interactive=interactive, output=output)
    if request["task"] is not None and interactive:
        process.expect_turn()
    return process


def task_of(prompt: str | None, context: str | None) -> str | None:
    """One message: the instruction, and under it what it speaks of."""
    if prompt is None or context is None:
        return context if prompt is None else prompt
    return f"{prompt}\n\n{context}"
