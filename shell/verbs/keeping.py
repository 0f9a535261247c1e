"""The verbs that keep processes alive, or bring them back: checkpoint, restore, supervise, link."""

from __future__ import annotations

import json
import os
import sys

from ..arguments import NAME, PID, ROOT, pid, root_of
from ..errors import UsageError
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE = option("file", metavar="FILE", completes="path", help="the checkpoint")
PARTNER = option("partner", type=pid, metavar="PID", completes="pid", help="the other process")


@verb(
    "checkpoint",
    "write a process to a file; it lives on",
    PID,
    FILE,
    option("--tree", action="store_true", help="and all processes below it"),
)
async def checkpoint(ctx: Context) -> Outcome:
    path = _path(ctx.args.file)
    done = await ctx.ask("checkpoint", pid=ctx.args.pid, path=path, tree=ctx.args.tree)
    return Outcome({"path": path, "pids": done.pids})


@verb(
    "restore",
    "bring back what a checkpoint holds, under new pids, and print the first",
    FILE,
    option(
        "--root",
        metavar="DIR",
        completes="folder",
        help="the folder that its file syscalls see (default: as was)",
    ),
)
async def restore(ctx: Context) -> Outcome:
    root = None if ctx.args.root is None else root_of(ctx.args.root)
    done = await ctx.ask("restore", path=_path(ctx.args.file), root=root)
    return Outcome(done, str(done.pid))


@verb(
    "supervise",
    "start processes that are restarted when they fail, and print their supervisor's pid",
    option("spec", metavar="FILE", completes="path", help="what to start, as JSON; - for stdin"),
    ROOT,
    NAME,
)
async def supervise(ctx: Context) -> Outcome:
    args = ctx.args
    spec = _json(_read(ctx, args.spec), args.spec)
    born = await ctx.ask("supervise", spec=spec, root=root_of(args.root), name=args.name)
    await ctx.watch(born.pid, args.name or "supervisor")
    return Outcome({"pid": born.pid}, str(born.pid))


@verb("link", "let two processes share their fate: when one fails, the other ends", PID, PARTNER)
async def link(ctx: Context) -> Outcome:
    await ctx.ask("link", pid=ctx.args.pid, partner=ctx.args.partner)
    return Outcome({"pid": ctx.args.pid, "partner": ctx.args.partner})


@verb("unlink", "undo a link", PID, PARTNER)
async def unlink(ctx: Context) -> Outcome:
    await ctx.ask("unlink", pid=ctx.args.pid, partner=ctx.args.partner)
    return Outcome({"pid": ctx.args.pid, "partner": ctx.args.partner})


def _path(given: str) -> str:
    return os.path.abspath(os.path.expanduser(given))


def _read(ctx: Context, given: str) -> str:
    if given == "-" and not ctx.in_session:
        return sys.stdin.read()
    try:
        with open(os.path.expanduser(given), encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"cannot read {given}: {error.strerror}") from None


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{name} is not JSON: {error}") from None
