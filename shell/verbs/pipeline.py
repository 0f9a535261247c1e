"""The verb pipe: agents in a row, each of which reads what the one before it says."""

from __future__ import annotations

import sys

from ..arguments import ROOT, TIMEOUT, piped_text, root_of
from ..errors import Interrupted, UsageError
from ..following import EXIT_INTERRUPTED, ended
from ..output import harmless
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.messages import ExitInfo

MOST_AT_ONCE = 32_000
"""Characters of one write, well below what a request may hold."""


@verb(
    "pipe",
    "run agents in a row; each reads what the one before it says",
    option("stages", nargs="+", metavar="TASK", completes="words", help="a task in quotes, each"),
    ROOT,
    TIMEOUT,
)
async def pipe(ctx: Context) -> Outcome:
    """Piped stdin goes to the first, the answer of the last is the output. The status is that of
    the last one that failed, or 0."""
    stages, root = ctx.args.stages, root_of(ctx.args.root)
    if not all(stage.strip() for stage in stages):
        raise UsageError("a stage without a task", "put each task into quotes")
    fed = "" if ctx.in_session else piped_text()
    pids: list[int] = []
    try:
        out = await _start(ctx, stages, root, fed, pids)
        streams = ctx.out.is_tty and not ctx.out.as_json
        await _read(ctx, out, streams)
        return await _wait(ctx, pids, streams)
    except (Interrupted, KeyboardInterrupt):
        for pid in pids:
            await ctx.ask("kill", pid=pid, signal="KILL")
        return Outcome({"pids": pids, "status": EXIT_INTERRUPTED}, status=EXIT_INTERRUPTED)


async def _start(ctx: Context, stages: list[str], root: str, fed: str, pids: list[int]) -> int:
    """Each stage holds its ends when this returns; we hold the one to read from, which is what it
    returns."""
    stdin: int | None = (await ctx.ask("pipe")).pipe if fed else None
    first = out = stdin
    for task in stages:
        stdout = (await ctx.ask("pipe")).pipe
        born = await ctx.ask("spawn", task=task, root=root, stdin=stdin, stdout=stdout)
        pids.append(born.pid)
        if stdin is not None:
            await ctx.ask("pipe_close", pipe=stdin, end="read")
        await ctx.ask("pipe_close", pipe=stdout, end="write")
        stdin = out = stdout
    if first is not None:
        for start in range(0, len(fed), MOST_AT_ONCE):
            await ctx.ask("pipe_write", pipe=first, text=fed[start : start + MOST_AT_ONCE])
        await ctx.ask("pipe_close", pipe=first, end="write")
    assert out is not None, "there is a stage"
    return out


async def _read(ctx: Context, out: int, streams: bool) -> None:
    """Until the last one has said all. It must be read, or a long answer would stop it."""
    eof = False
    while not eof:
        part = await ctx.ask("pipe_read", pipe=out)
        eof = part.eof
        if streams:
            sys.stdout.write(harmless(part.text))
            sys.stdout.flush()
    await ctx.ask("pipe_close", pipe=out, end="read")


async def _wait(ctx: Context, pids: list[int], streams: bool) -> Outcome:
    """All of them have ended when this returns."""
    info: ExitInfo | None = None
    status = 0
    for pid in pids:
        info = await ctx.ask("wait", pid=pid, timeout_s=ctx.args.timeout)
        status = info.status or status
    assert info is not None
    outcome = ended(ctx, info, status, shown=streams)
    outcome.document["pids"] = pids
    return outcome
