"""The verbs trace and tune: record what the scheduler does, look at it, and learn from it.

Recording is the kernel's. Looking, replaying and tuning are another program (`trace/__main__.py`),
since a client starts light.
"""

from __future__ import annotations

import os
import sys

from ..arguments import duration
from ..errors import Interrupted, UsageError
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ...kernel.messages import TraceInfo

ACTIONS = ("record", "show", "replay", "compare")
NOBODY = 0
"""No process has this pid: to wait for its events is to wait for the kernel's end."""


@verb(
    "trace",
    "record what the scheduler does, replay it, compare policies on it",
    option("action", choices=ACTIONS, metavar="record|show|replay|compare", help="what to do"),
    option("file", nargs="?", metavar="FILE", completes="path", help="the trace"),
    option("--for", dest="for_s", type=duration, metavar="TIME", help="record for so long"),
    option(
        "--policy", action="append", metavar="P", completes="policy",
        help="replay or compare by that policy",
    ),
    option("--chrome", metavar="OUT", completes="path", help="write it for Perfetto"),
    kind="outside",
)  # fmt: skip
async def trace(ctx: Context) -> Outcome:
    args = ctx.args
    if args.action == "record":
        if args.policy or args.chrome:
            raise UsageError("record takes a FILE and --for", "llmos trace show FILE --chrome OUT")
        return await _record(ctx)
    if args.file is None:
        raise UsageError(f"which trace is to be used? llmos trace {args.action} FILE")
    if args.for_s is not None:
        raise UsageError("--for is for record")
    chosen = [word for policy in args.policy or () for word in ("--policy", policy)]
    drawn = ["--chrome", _path(args.chrome)] if args.chrome else []
    _become(ctx, [args.action, _path(args.file), *chosen, *drawn])


@verb(
    "tune",
    "search settings of scheduler and engine under which a recorded trace goes better",
    option("file", metavar="FILE", completes="path", help="a trace, of llmos trace record"),
    option("-o", "--output", metavar="OUT", completes="path",
           help="the file to write (default: kernel.toml)"),
    option("--goal", metavar="GOAL", help="mean, p50, p95, p99, makespan or first_token"),
    option("--policy", action="append", metavar="P", completes="policy", help="search that one"),
    option("--trials", metavar="N", help="replays in simulation (default: 100)"),
    option("--real", metavar="N", help="replay the best N on the real engine, too"),
    option("--model", metavar="M", help="for --real (default: the recorded one)"),
    kind="outside",
)  # fmt: skip
async def tune(ctx: Context) -> Outcome:
    args = ctx.args
    words = ["tune", _path(args.file)]
    for name in ("output", "goal", "trials", "real", "model"):
        given = getattr(args, name)
        words += [f"--{name}", given] if given else []
    words += [word for policy in args.policy or () for word in ("--policy", policy)]
    _become(ctx, words)


async def _record(ctx: Context) -> Outcome:
    """Until its time is over, Ctrl-C, or the kernel ends."""
    path, for_s = _path(ctx.args.file or _new_name()), ctx.args.for_s
    await ctx.ask("start_trace", path=path)
    await _wait(ctx, f"recording into {path}", for_s)
    info: TraceInfo = await ctx.ask("stop_trace")
    if info.error:
        ctx.out.note(f"it ends early: {info.error}")
    if info.lost:
        ctx.out.note(f"{info.lost:,} events did not fit into it")
    ctx.out.note(f"{info.events:,} events of {info.lasted_s:.1f} s")
    return Outcome(info, path)


async def _wait(ctx: Context, words: str, for_s: float | None) -> None:
    try:
        ctx.out.note(words if for_s else f"{words}; Ctrl-C ends it")
        await ctx.event(NOBODY, for_s)
    except (TimeoutError, Interrupted, KeyboardInterrupt):
        return


def _become(ctx: Context, words: list[str]) -> NoReturn:
    """What is heavy takes this process's place, and its exit status is ours."""
    sys.stdout.flush()
    command = [sys.executable, "-P", "-m", "llmos.trace", *words]
    if ctx.out.as_json:
        command.append("--json")
    os.execv(sys.executable, command)


def _new_name() -> str:
    from time import strftime

    return strftime("llmos-%Y%m%d-%H%M%S.trace")


def _path(given: str) -> str:
    return os.path.abspath(os.path.expanduser(given))
