"""The verbs that act on processes from outside: kill, stop, cont, renice, setpgid, wait."""

from __future__ import annotations

import argparse

from ..arguments import PID, PIDS, TIMEOUT, nice, pid
from ..errors import KernelError, UsageError
from ..following import ended
from ..output import explained, table
from ..verb import TABLE, Context, Outcome, did_you_mean, option, parser_of, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any

    from ...kernel.messages import ExitInfo

SIGNALS = {
    "INT": (2, "ends the turn and keeps what was said; ends a process that has but one task"),
    "KILL": (9, "ends it at once"),
    "USR1": (10, "delivers the text of --payload as a message"),
    "TERM": (15, "ends it, after a last turn if it is in the middle of one"),
    "CONT": (18, "lets a stopped one go on from its last token"),
    "STOP": (19, "halts it and keeps what it has generated"),
    "XCPU": (24, "ends it like TERM, as a limit does (exit 152)"),
}
"""Name, number (that of Linux), and what it does."""

BY_NUMBER = {str(number): name for name, (number, _) in SIGNALS.items()}


def signal_of(text: str) -> str:
    """The signal of a name, with or without SIG, or of a number."""
    name = BY_NUMBER.get(text, text.upper().removeprefix("SIG"))
    if name not in SIGNALS:
        near = did_you_mean(name, SIGNALS)
        raise argparse.ArgumentTypeError(f"{text!r} is not a signal{near} (kill -l lists them)")
    return name


GROUP = option("--group", action="store_true", help="and all of its process group")
TREE = option("--tree", action="store_true", help="and all processes below it")


@verb(
    "kill",
    "send a signal to processes: by default TERM, which ends them",
    option(
        "pids", type=pid, metavar="PID", nargs="*", completes="pid", help="processes, as ps says"
    ),
    option(
        "-s",
        "--signal",
        type=signal_of,
        default="TERM",
        metavar="SIGNAL",
        completes="signal",
        help=f"{', '.join(SIGNALS)} or a number; also as -KILL, -9",
    ),
    option("-p", "--payload", metavar="TEXT", help="the text that USR1 brings"),
    GROUP,
    TREE,
    option("-l", "--list", action="store_true", help="list the signals"),
    *(
        option(
            *(f"-{number}", f"-{name}", f"-SIG{name}"),
            action="store_const",
            const=name,
            dest="signal",
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
        for name, (number, _) in SIGNALS.items()
    ),
)
async def kill(ctx: Context) -> Outcome:
    args = ctx.args
    if args.list:
        return _list()
    if not args.pids:
        raise _misused(ctx, "the following arguments are required: PID")
    if args.payload is not None and args.signal != "USR1":
        raise _misused(ctx, f"{args.signal} carries no --payload; USR1 does: kill -s USR1 -p TEXT")
    return await _signal(ctx, args.signal, args.payload or "")


@verb("stop", "halt processes where they are (kill -s STOP)", PIDS, GROUP, TREE)
async def stop(ctx: Context) -> Outcome:
    return await _signal(ctx, "STOP")


@verb("cont", "let stopped processes go on (kill -s CONT)", PIDS, GROUP, TREE)
async def cont(ctx: Context) -> Outcome:
    return await _signal(ctx, "CONT")


@verb(
    "renice",
    "change who comes first when the engine is busy",
    option("nice", type=nice, metavar="N", help="from -20 (first) to 19 (last)"),
    PIDS,
)
async def renice(ctx: Context) -> Outcome:
    value = ctx.args.nice

    async def one(pid: int) -> None:
        await ctx.ask("renice", pid=pid, nice=value)

    return await _each(ctx, ctx.args.pids, one, {"nice": value})


@verb(
    "setpgid",
    "move a process to another process group of its session, or to one of its own",
    PID,
    option(
        "group",
        type=pid,
        metavar="GROUP",
        nargs="?",
        completes="pid",
        help="as ps -l lists it (default: one of its own, which has its pid)",
    ),
    option("--session", action="store_true", help="a session of its own, and a group in it"),
)
async def setpgid(ctx: Context) -> Outcome:
    subject, group = ctx.args.pid, ctx.args.group
    if not ctx.args.session:
        moved = await ctx.ask("setpgid", pid=subject, group=group)
        return Outcome({"pid": subject, "group": moved.group})
    if group not in (None, subject):
        raise UsageError("GROUP and --session exclude each other: a session brings its own group")
    begun = await ctx.ask("setsid", pid=subject)
    return Outcome({"pid": subject, "group": begun.session, "session": begun.session})


@verb("wait", "wait until a process ends, print its output, exit with its status", PID, TIMEOUT)
async def wait(ctx: Context) -> Outcome:
    info: ExitInfo = await ctx.ask("wait", pid=ctx.args.pid, timeout_s=ctx.args.timeout)
    return ended(ctx, info, info.status, shown=False)


# ---- one signal to many ------------------------------------------------------------------------


async def _signal(ctx: Context, signal: str, payload: str = "") -> Outcome:
    if ctx.args.group and ctx.args.tree:
        raise UsageError("--group and --tree exclude each other")
    to = "group" if ctx.args.group else "tree" if ctx.args.tree else "process"

    async def one(pid: int) -> None:
        await ctx.ask("kill", pid=pid, signal=signal, payload=payload, to=to)

    return await _each(ctx, ctx.args.pids, one, {"signal": signal, "to": to})


async def _each(
    ctx: Context,
    pids: Iterable[int],
    act: Callable[[int], Awaitable[None]],
    document: dict[str, Any],
) -> Outcome:
    """Acts on all of them, even if one of them is not there. The first error is the status."""
    done: list[int] = []
    errors: list[KernelError] = []
    for one in dict.fromkeys(pids):
        try:
            await act(one)
            done.append(one)
        except KernelError as error:
            errors.append(error)
    if not errors:
        return Outcome({**document, "pids": done})
    if not done and len(errors) == 1:
        raise errors[0]
    if not ctx.out.as_json:
        for failure in errors:
            ctx.out.failure(failure)
    told = [explained(failure) for failure in errors]
    return Outcome(
        {**document, "pids": done, "error": told[0], "errors": told}, status=errors[0].exit_status
    )


def _list() -> Outcome:
    rows = [(str(number), name, words) for name, (number, words) in SIGNALS.items()]
    listed = [{"signal": name, "number": number} for name, (number, _) in SIGNALS.items()]
    return Outcome({"signals": listed}, table(("NO", "SIGNAL", ""), rows, None))


def _misused(ctx: Context, message: str) -> UsageError:
    return UsageError(message, usage=parser_of(TABLE["kill"], ctx.in_session).format_usage())
