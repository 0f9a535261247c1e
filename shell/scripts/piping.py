"""A line with pipes and files in a script: the pipelines of the interactive shell, below the
script's process. Outside that shell a loop of asyncio runs for the one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import signal
import sys
from types import SimpleNamespace

from ..errors import Interrupted, ShellError
from ..following import EXIT_INTERRUPTED
from ..interactive.in_session import InSession
from ..interactive.pipeline import Pipeline
from ..output import Output
from ..verb import TABLE, Context, Outcome, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from ..interactive.command_line import Line
    from .line_context import Below


class Plain(io.TextIOBase):
    """Stdout as if it were no terminal: a script's output is not drawn, whoever watches."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


class _Notes:
    """What a pipeline needs of a shell's table of jobs: it is none here."""

    def note(self, text: str) -> None:
        Output().note(text)

    def remove(self, pid: int) -> None:
        pass


async def run_pipeline(outer: Context, below: Below, line: Line, out: Output) -> Outcome:
    """To its end; with `--json` the document has its output."""
    stdout: Any = io.StringIO() if out.as_json else Plain(sys.stdout)
    session: Any = SimpleNamespace(
        paths=outer.paths,
        parent=below.pid,
        jobs=_Notes(),
        conversation=SimpleNamespace(pid=outer.partner),
    )
    try:
        with contextlib.redirect_stdout(stdout):
            if outer.in_session:
                status = await _follow(session, below, line, out)
            else:
                status = asyncio.run(_alone(session, below, line, out))
    except asyncio.CancelledError:  # before anything had begun
        below.interrupted = True
        raise Interrupted from None
    return Outcome({"output": stdout.getvalue()} if out.as_json else {}, status=status)


async def _alone(session: Any, below: Below, line: Line, out: Output) -> int:
    """Ctrl-C comes as a signal."""
    work = asyncio.ensure_future(_follow(session, below, line, out))
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, work.cancel)
    return await work


async def _follow(session: Any, below: Below, line: Line, out: Output) -> int:
    args, rest = parse(TABLE["run"], ["-"], in_session=True)
    ctx = InSession(session, args, rest, out)
    pipeline = Pipeline(session, line)
    pipeline.start()
    script_ended = asyncio.Event()
    watching = asyncio.ensure_future(_end_with_the_script(ctx, below, pipeline, script_ended))
    try:
        status = (await pipeline.follow(ctx)).status
        below.interrupted |= status == EXIT_INTERRUPTED and not script_ended.is_set()
        return status
    finally:
        watching.cancel()
        ctx.close()


async def _end_with_the_script(
    ctx: InSession, below: Below, pipeline: Pipeline, script_ended: asyncio.Event
) -> None:
    """Agents end by themselves when the script's process does; commands of the system do not."""
    try:
        await ctx.ask("wait", pid=below.pid)
    except Interrupted:
        return
    except ShellError:
        pass
    script_ended.set()
    await pipeline.end()
