"""A pipeline: agents in a row, over the kernel's pipes."""

from __future__ import annotations

from .birth import bear
from .errors import ProcessFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .link import Link
    from .process import Process

MOST_AT_ONCE = 32_000
"""Characters of one write, well below what a request may hold."""


async def piped(link: Link, prompts: Sequence[str], context: str | None) -> str:
    """The answer of the last. Raises ProcessFailed, ValueError for no prompt."""
    if not prompts:
        raise ValueError("a pipeline needs a prompt at least")
    stages: list[Process[Any]] = []
    try:
        first, out = await _start(link, prompts, stages, context is not None)
        if first is not None:
            await _feed(link, first, context or "")
        await _drain(link, out)
        exits = [await stage.wait() for stage in stages]
    except BaseException:
        for stage in stages:
            link.errand(stage.kill())
        raise
    for ended in exits:
        if ended.status:
            raise ProcessFailed(ended.pid, ended.status, ended.output, ended.usage)
    return exits[-1].output


async def _start(
    link: Link, prompts: Sequence[str], stages: list[Process[Any]], fed: bool
) -> tuple[int | None, int]:
    """Each stage holds its ends when this returns. Gives the pipes that we write into, if we do,
    and read from."""
    stdin: int | None = int((await link.ask("pipe")).pipe) if fed else None
    first, out = stdin, 0
    for prompt in prompts:
        out = int((await link.ask("pipe")).pipe)
        stage = bear(link, prompt, None, interactive=False, attach=False, stdin=stdin, stdout=out)
        stages.append(stage)
        await stage.born()
        if stdin is not None:
            await link.ask("pipe_close", pipe=stdin, end="read")
        await link.ask("pipe_close", pipe=out, end="write")
        stdin = out
    return first, out


async def _feed(link: Link, pipe: int, text: str) -> None:
    for start in range(0, len(text), MOST_AT_ONCE):
        part = text[start : start + MOST_AT_ONCE]
        await link.ask("pipe_write", pipe=pipe, text=part)
    await link.ask("pipe_close", pipe=pipe, end="write")


async def _drain(link: Link, pipe: int) -> None:
    """The last one must be read, or a long answer would stop it."""
    eof = False
    while not eof:
        eof = (await link.ask("pipe_read", pipe=pipe)).eof
    await link.ask("pipe_close", pipe=pipe, end="read")
