"""The verb top: what runs, how fast, and what it takes, as it changes."""

from __future__ import annotations

import argparse
import os
import sys

from ..arguments import duration
from ..errors import UsageError
from ..verb import Context, Outcome, option, verb
from .processes import column

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..top.model import View

DELAY_S = 1.0
SORTS = (
    *("pid", "session", "state", "nice", "rate", "tokens", "kv", "hit", "left"),
    *("level", "queued", "faults", "evictions", "waits", "name"),
)
"""The columns, as `shell/top/model.py` has them: it is imported when they are drawn."""


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of readings, 1 or more")
    return int(text)


def _column(text: str) -> str:
    return column(text, SORTS)


@verb(
    "top",
    "watch the processes and the engine",
    option("-b", "--batch", action="store_true", help="as text, or with --json: for scripts"),
    option(
        *("-n", "--count"),
        type=_count,
        metavar="COUNT",
        help="so many readings (default: 1, or with -d until Ctrl-C)",
    ),
    option(
        *("-d", "--delay"),
        type=duration,
        metavar="TIME",
        help=f"between two readings, and what rates are over (default: {DELAY_S:g}s)",
    ),
    option(
        "--sort", type=_column, metavar="COLUMN", completes="column", help=f"by {', '.join(SORTS)}"
    ),
    option("-r", "--reverse", action="store_true", help="the other way round"),
    option("-t", "--tree", action="store_true", help="children below their parents"),
    option("--filter", default="", metavar="WORDS", help="only rows that have all of them"),
)
async def top(ctx: Context) -> Outcome:
    args = ctx.args
    delay_s = args.delay or DELAY_S
    if args.batch or args.json or args.count or not ctx.out.is_tty:
        from ..top.batch import batch

        count = args.count or (None if args.delay else 1)
        return await batch(ctx, _view(args), count, delay_s)
    if ctx.in_session:
        return Outcome(status=await ctx.with_terminal(_command(args)))
    if os.environ.get("TERM", "dumb") == "dumb" or not sys.stdin.isatty():
        raise UsageError("top draws on a terminal, and this is none", "llmos top -b")
    await ctx.ask("status")  # without a kernel it does not begin
    from ..top.app import run

    return Outcome(status=run(ctx.paths.socket, _view(args), delay_s))


def _view(args: argparse.Namespace) -> View:
    from ..top.model import View

    return View(args.sort or "rate", reverse=args.reverse, filter=args.filter, tree=args.tree)


def _command(args: argparse.Namespace) -> list[str]:
    """The same as a program: it has the terminal, and an event loop, to itself."""
    words = [sys.executable, "-P", "-m", "llmos", "top"]
    for name in ("delay", "sort", "filter", "state_dir"):
        value = getattr(args, name)
        words += [f"--{name.replace('_', '-')}={value}"] if value else []
    return [*words, *(f"--{name}" for name in ("reverse", "tree") if getattr(args, name))]
