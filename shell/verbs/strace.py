"""The verb that shows syscalls as they are made: strace."""

from __future__ import annotations

import os
import sys

from ..arguments import names, pid
from ..client import Record
from ..errors import Interrupted, UsageError
from ..strace import Selection, Tally, Trace
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, TextIO

    from ...kernel.messages import ProcessHistory, ProcessInfo, Seen, Sight

MAX_TEXT = 64


@verb(
    "strace",
    "show the syscalls of processes as they make them, with arguments, time and outcome",
    option("pids", nargs="*", type=pid, metavar="PID", completes="pid", help="of these"),
    option("-g", "--group", type=pid, metavar="PID", help="of that process group"),
    option("-f", "--follow", action="store_true", help="and of all whom they start"),
    option(
        "-e",
        "--expr",
        action="append",
        type=names,
        metavar="SYSCALL",
        completes="syscalls",
        help="only those: names or patterns, a,b or 'read_*'; '!a' leaves one out",
    ),
    option("-c", "--count", action="store_true", help="only a table of calls, errors and time"),
    option("-t", "--time", action="store_true", help="the time of the day before each line"),
    option(
        "-s",
        "--size",
        type=int,
        default=MAX_TEXT,
        metavar="N",
        help=f"characters of a text among the arguments (default: {MAX_TEXT})",
    ),
    option("-o", "--output", metavar="FILE", completes="path", help="into a file"),
)
async def strace(ctx: Context) -> Outcome:
    args = ctx.args
    pids = list(args.pids) + await _members(ctx, args.group)
    if not pids:
        raise UsageError("whose syscalls? llmos strace PID")
    with _Sink(args.output) as sink:
        ctx.out.as_lines = True
        trace = Trace(
            sink.write, max_text=max(args.size, 0), times=args.time, as_json=ctx.out.as_json
        )
        looking = _Looking(ctx, trace, Selection(name for one in args.expr or () for name in one))
        try:
            await looking.on(pids)
        finally:
            trace.close()
            if args.count and not ctx.out.as_json:
                sink.write(looking.tally.text(ctx.out.width) + "\n")
    return Outcome({"pids": pids, "lost": looking.lost, "calls": looking.tally.rows()})


async def _members(ctx: Context, group: int | None) -> list[int]:
    if group is None:
        return []
    listed: list[ProcessInfo] = (await ctx.ask("ps")).processes
    members = [info.pid for info in listed if info.group == group]
    if not members:
        raise UsageError(f"there is no process group {group}", "llmos ps -l shows groups")
    return members


class _Looking:
    """Looks on until all have ended, or Ctrl-C."""

    def __init__(self, ctx: Context, trace: Trace, selection: Selection) -> None:
        self._ctx = ctx
        self._trace = trace
        self._selection = selection
        self.tally = Tally()
        self.lost = 0

    async def on(self, pids: list[int]) -> None:
        ctx = self._ctx
        begun = await ctx.ask("look_on", pids=pids, follow=ctx.args.follow)
        for one in begun.ended:
            await self._past(one)
        if len(begun.ended) == len(set(pids)) and not ctx.args.follow:
            return
        ctx.out.progress("looking on; Ctrl-C ends it")
        try:
            while not await self._look(begun.onlooker):
                pass
        except (Interrupted, KeyboardInterrupt):
            return

    async def _look(self, onlooker: int) -> bool:
        """Show what there is to see next; is it over?"""
        sight: Sight = await self._ctx.ask("look", onlooker=onlooker)
        if sight.lost:
            self.lost += sight.lost
            self._trace.note(
                f"({sight.lost:,} lines were lost: they came faster than they were read)"
            )
        self._show(sight.seen)
        return sight.over

    def _show(self, all_seen: Iterable[Seen]) -> None:
        for seen in all_seen:
            if seen.kind in ("call", "result") and not self._selection.has(seen.name):
                continue
            if seen.kind == "result":
                self.tally.count(seen)
            if not self._ctx.args.count:
                self._trace.show(seen)

    async def _past(self, pid: int) -> None:
        """What one that has ended did, from its pages."""
        found: ProcessHistory = await self._ctx.ask("history", pid=pid)
        self._ctx.out.progress(
            f"process {pid} has ended: these are its calls as its pages tell them"
        )
        self._show(_from_pages(found))


def _from_pages(found: ProcessHistory) -> Iterator[Any]:
    """As if they were seen now; when it ended, its pages do not tell."""
    for turn in found.turns:
        for call in turn.calls:
            common = {"pid": found.pid, "call_id": call.call_id, "name": call.name}
            yield Record(kind="call", at=call.at, arguments=call.arguments, **common)
            if call.duration_s is not None:
                yield Record(
                    kind="result",
                    at=call.at + call.duration_s,
                    ok=not call.errno,
                    errno=call.errno,
                    text=call.text,
                    size=call.size,
                    duration_s=call.duration_s,
                    **common,
                )
    yield Record(kind="exit", pid=found.pid, at=None, status=found.status)


class _Sink:
    """Where lines go: stdout, or a file."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._file: TextIO = sys.stdout

    def __enter__(self) -> _Sink:
        if self._path is not None:
            path = os.path.abspath(os.path.expanduser(self._path))
            try:
                self._file = open(path, "w", encoding="utf-8", errors="replace")
            except OSError as error:
                raise UsageError(f"cannot write {path}: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not sys.stdout:
            self._file.close()

    def write(self, text: str) -> None:
        self._file.write(text)
        self._file.flush()
