"""The verbs that give processes work: run, spawn, fork, exec, send, attach."""

from __future__ import annotations

import json
import os
import sys

from ..arguments import (
    BUDGET,
    INTERACTIVE,
    MEANS,
    NAME,
    PID,
    PROGRAM,
    ROOT,
    TIMEOUT,
    pid,
    root_of,
    text_of,
)
from ..continuing import CONTINUE, RESUME, goes_on, resume
from ..errors import Interrupted, KernelError, UsageError
from ..following import (
    EXIT_INTERRUPTED,
    EXIT_STOPPED,
    ended,
    follow,
    follow_turn,
    mention_loading,
    view_of,
)
from ..verb import Context, Outcome, option, verb, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...kernel.messages import AttachInfo, ExitInfo

OUTPUT_SCHEMA = option(
    "--output-schema",
    metavar="FILE",
    completes="path",
    help="the answer is JSON of the JSON schema in that file, or the exit status 65",
)


@verb(
    "run",
    "give an agent a task, show its answer, exit with its status; or run a script.py of Python",
    words("prompt", "the task; piped stdin is added as its context, or is the task if - or none"),
    ROOT,
    NAME,
    *MEANS,
    PROGRAM,
    TIMEOUT,
    CONTINUE,
    RESUME,
    option("--stream", action="store_true", help="write text as it comes even into a pipe"),
    OUTPUT_SCHEMA,
    runs_scripts=".py",
)
async def run(ctx: Context) -> Outcome:
    """Off a terminal stdout gets the answer alone, at the end: what an agent says between its
    syscalls is no data."""
    args = ctx.args
    if goes_on(ctx):
        return await _continue(ctx)
    if args.prompt and args.prompt[0].endswith(".py"):
        from ..script import is_script, run_script

        if is_script(args.prompt):
            if args.output_schema:
                raise UsageError("--output-schema is for a task, and this is a script")
            return await run_script(ctx, args.prompt)
    if ctx.in_background:
        if args.timeout is not None:
            raise UsageError(
                "--timeout is for the foreground", f"--limit wall_s={args.timeout:g} ends it too"
            )
        return await _in_background(ctx, interactive=False)
    born = await _birth(ctx, text_of(ctx, args.prompt), interactive=False, attach=True)
    return await _followed(ctx, born)


async def _followed(ctx: Context, born: int) -> Outcome:
    """To its end."""
    await mention_loading(ctx)
    streams = not ctx.out.as_json and (ctx.out.is_tty or ctx.args.stream)
    status = await follow(ctx, born, view_of(ctx, streams=streams), ctx.args.timeout)
    if status == EXIT_STOPPED:
        return Outcome({"pid": born, "status": status}, status=status)
    info: ExitInfo = await ctx.ask("wait", pid=born)
    outcome = ended(ctx, info, status if status is not None else info.status, shown=streams)
    if ctx.args.output_schema and not info.status:
        outcome.document["value"] = json.loads(info.output)
    return outcome


async def _continue(ctx: Context) -> Outcome:
    """The same in a conversation that there is. An agent that lives is told the text, and goes on
    to live when it has answered."""
    args = ctx.args
    if ctx.in_background or args.program != "agent":
        raise UsageError("a conversation goes on in the foreground, with an agent")
    if args.output_schema:
        raise UsageError("--output-schema is for a process of its own")
    resumed = await resume(ctx, text_of(ctx, args.prompt), means_of(ctx))
    if not resumed.lives:
        return await _followed(ctx, resumed.pid)
    if args.timeout is not None:
        raise UsageError("--timeout is for a process of its own", f"kill {resumed.pid} -s INT")
    await mention_loading(ctx)
    streams = not ctx.out.as_json and (ctx.out.is_tty or args.stream)
    view = view_of(ctx, streams=streams)
    try:
        info = await ctx.ask("attach", pid=resumed.pid)
        outcome = await follow_turn(ctx, info, view)
    except (Interrupted, KeyboardInterrupt):
        await ctx.ask("kill", pid=resumed.pid, signal="INT")
        return Outcome({"pid": resumed.pid}, status=EXIT_INTERRUPTED)
    finally:
        view.end()
    outcome.text = "" if streams else str(outcome.document["output"])
    return outcome


@verb(
    "spawn",
    "start an agent in the background and print its pid",
    words("prompt", "its task; stdin as in run"),
    ROOT,
    NAME,
    *MEANS,
    PROGRAM,
    option(
        "--parent",
        type=pid,
        default=1,
        metavar="PID",
        completes="pid",
        help="whose child it is, within whose limits (default: 1)",
    ),
    INTERACTIVE,
)
async def spawn(ctx: Context) -> Outcome:
    args = ctx.args
    if ctx.in_background:
        return await _in_background(ctx, interactive=args.interactive)
    task = None if args.interactive and not args.prompt else text_of(ctx, args.prompt)
    born = await _birth(ctx, task, interactive=args.interactive, attach=False)
    await ctx.watch(born, args.name or task or "agent")
    return Outcome({"pid": born}, str(born))


async def _in_background(ctx: Context, *, interactive: bool) -> Outcome:
    """For a line that ends in &."""
    task = text_of(ctx, ctx.args.prompt)
    born = await _birth(ctx, task, interactive=interactive, attach=False)
    job = await ctx.watch(born, ctx.args.name or task)
    return Outcome({"pid": born, "job": job}, f"[{job}] {born}")


async def _birth(ctx: Context, task: str | None, *, interactive: bool, attach: bool) -> int:
    args = ctx.args
    born = await ctx.ask(
        "spawn",
        task=task,
        root=root_of(args.root),
        name=args.name,
        program=getattr(args, "program", "agent"),
        interactive=interactive,
        attach=attach,
        parent=getattr(args, "parent", 1),
        **means_of(ctx),
        output_schema=schema_of(getattr(args, "output_schema", None)),
    )
    return int(born.pid)


def means_of(ctx: Context) -> dict[str, Any]:
    """What it may use, as requests say it."""
    args = ctx.args
    limits = dict(args.limit)
    return {"nice": args.nice, "tools": args.tools, "limits": limits, "budget": args.budget}


def schema_of(path: str | None) -> Any:
    """What stands in the file. Raises UsageError."""
    if path is None:
        return None
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from None


@verb(
    "fork",
    "start a child that knows all that a process knows, and print its pid",
    PID,
    words("task", "what it does next (default: what its parent is about to do)"),
    NAME,
    BUDGET,
    INTERACTIVE,
)
async def fork(ctx: Context) -> Outcome:
    args = ctx.args
    task = text_of(ctx, args.task, adds_stdin=False) if args.task else None
    born = await ctx.ask(
        "fork",
        pid=args.pid,
        task=task,
        name=args.name,
        interactive=True if args.interactive else None,
        attach=False,
        budget=args.budget,
    )
    await ctx.watch(born.pid, args.name or task or f"fork of {args.pid}")
    return Outcome({"pid": born.pid, "parent": args.pid}, str(born.pid))


@verb(
    "exec",
    "make a process forget its conversation and begin another task",
    PID,
    words("task", "the task, or stdin"),
    NAME,
)
async def exec_(ctx: Context) -> Outcome:
    task = text_of(ctx, ctx.args.task, adds_stdin=False)
    await ctx.ask("exec", pid=ctx.args.pid, task=task, name=ctx.args.name)
    return Outcome({"pid": ctx.args.pid})


@verb("send", "put a message into a process's mailbox", PID, words("text", "the message, or stdin"))
async def send(ctx: Context) -> Outcome:
    text = text_of(ctx, ctx.args.text, adds_stdin=False)
    await ctx.ask("send", pid=ctx.args.pid, text=text)
    return Outcome({"pid": ctx.args.pid})


@verb("attach", "talk to a process (off a terminal: follow its turn)", PID)
async def attach(ctx: Context) -> Outcome:
    if ctx.in_session or (sys.stdin.isatty() and ctx.out.is_tty and not ctx.out.as_json):
        return await ctx.enter(ctx.args.pid)
    info: AttachInfo = await ctx.ask("attach", pid=ctx.args.pid)
    if info.exit_status is not None:
        raise KernelError(
            "ESRCH",
            f"process {info.pid} has ended (exit {info.exit_status})",
            f"llmos wait {info.pid} gives its output, llmos -r {info.pid} goes on with it",
        )
    view = view_of(ctx, streams=not ctx.out.as_json)
    try:
        from ..catching_up import catch_up

        await catch_up(ctx, info, view)
        return await follow_turn(ctx, info, view)
    except (Interrupted, KeyboardInterrupt):
        return Outcome({"pid": info.pid, "detached": True}, status=EXIT_INTERRUPTED)
    finally:
        view.end()
