"""The verbs about processes: run, spawn, send, ps, wait, kill, attach, logs."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
import time
from select import select

from .engine import still_loading
from .errors import ConfigError, Interrupted, KernelError, NoKernel, UsageError
from .output import columns_of, explained, harmless, paint, seconds, table
from .turn import TurnView, call_text
from .verb import Context, Outcome, option, verb, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..kernel.messages import EngineStatus, ExitInfo, PageInfo, ProcessInfo

EXIT_TIMEOUT = 124
EXIT_INTERRUPTED = 130
PUZZLED_S = 2.0
"""How long stdin may stay silent before the user is told that it is waited for."""
GRACE_S = 5.0
"""How long a process that was told to end may take before it is killed."""


# ---- arguments ---------------------------------------------------------------------------------


def _pid(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a pid (llmos ps lists them)")
    return int(text)


def _duration(text: str) -> float:
    """Seconds, or a number with s, m or h behind it."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("s", "m", "h") else (text, "s")
    try:
        duration_s = float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except ValueError:
        duration_s = -1.0
    if not 0 < duration_s < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration (try 30, 90s, 5m or 1h)")
    return duration_s


def _signal(text: str) -> str:
    return text.upper().removeprefix("SIG")


PID = option("pid", type=_pid, metavar="PID", completes="pid", help="a process, as ps lists it")
TIMEOUT = option("--timeout", type=_duration, metavar="TIME", help="give up after 30, 90s, 5m, 1h")
ROOT = option("--root", metavar="DIR", help="the folder that its file syscalls see (default: here)")
NAME = option("--name", metavar="NAME", help="a name for ps")


def _text(ctx: Context, given: list[str], *, adds_stdin: bool = True) -> str:
    """The text of a verb: its words, stdin, or both (the words instruct, stdin is context)."""
    spoken = " ".join(given)
    only_piped = spoken in ("", "-") and not ctx.in_session
    reads = not ctx.in_session and (only_piped or adds_stdin)
    piped = _piped(even_from_device=only_piped) if reads else ""
    text = "\n\n".join(part for part in ("" if only_piped else spoken, piped) if part.strip())
    if not text.strip():
        raise UsageError("there is no text: give it as words, or pipe it in")
    return text


def _piped(*, even_from_device: bool) -> str:
    """What a pipe or a file holds as stdin. A terminal or /dev/null holds nothing."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    is_device = stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode)
    if is_device and not even_from_device:
        return ""
    if not is_device and not select([sys.stdin], [], [], PUZZLED_S)[0]:
        print("llmos: waiting for the text on stdin (none? add </dev/null)", file=sys.stderr)
    return sys.stdin.buffer.read().decode("utf-8", "replace")


def _root(given: str | None) -> str:
    try:
        root = os.path.abspath(os.path.expanduser(given or os.getcwd()))
    except FileNotFoundError:
        raise ConfigError("the current folder no longer exists", "cd, or give --root") from None
    if not os.path.isdir(root):
        raise UsageError(f"--root {root} is not a folder")
    return root


# ---- verbs -------------------------------------------------------------------------------------


@verb(
    "run",
    "give an agent a task, show its answer, exit with its status",
    words("prompt", "the task; piped stdin is added as its context, or is the task if - or none"),
    ROOT,
    NAME,
    TIMEOUT,
    option("--stream", action="store_true", help="write text as it comes even into a pipe"),
)
async def run(ctx: Context) -> Outcome:
    """Off a terminal stdout gets the answer alone, at the end: what an agent says between its
    syscalls is no data."""
    args = ctx.args
    task = _text(ctx, args.prompt)
    spawned = await ctx.ask(
        "spawn", task=task, root=_root(args.root), name=args.name, attach=True, interactive=False
    )
    await _mention_loading(ctx)
    streams = not ctx.out.as_json and (ctx.out.is_tty or args.stream)
    view = _view(ctx, streams=streams)
    status = await _follow(ctx, spawned.pid, view, args.timeout)
    ended: ExitInfo = await ctx.ask("wait", pid=spawned.pid)
    return _ended(ctx, ended, status if status is not None else ended.status, shown=streams)


@verb(
    "spawn",
    "start an agent in the background and print its pid",
    words("prompt", "its task; stdin as in run"),
    ROOT,
    NAME,
    option(
        "-i",
        "--interactive",
        action="store_true",
        help="it waits for more messages (send) after each answer",
    ),
)
async def spawn(ctx: Context) -> Outcome:
    args = ctx.args
    task = None if args.interactive and not args.prompt else _text(ctx, args.prompt)
    spawned = await ctx.ask(
        "spawn",
        task=task,
        root=_root(args.root),
        name=args.name,
        interactive=args.interactive,
        attach=False,
    )
    await ctx.watch(spawned.pid)
    return Outcome({"pid": spawned.pid}, str(spawned.pid))


@verb("send", "put a message into a process's mailbox", PID, words("text", "the message, or stdin"))
async def send(ctx: Context) -> Outcome:
    text = _text(ctx, ctx.args.text, adds_stdin=False)
    await ctx.ask("send", pid=ctx.args.pid, text=text)
    return Outcome({"pid": ctx.args.pid})


@verb("ps", "list the processes")
async def ps(ctx: Context) -> Outcome:
    listed = await ctx.ask("ps")
    return Outcome(listed, processes_text(listed.processes, ctx.out.width))


def processes_text(processes: list[ProcessInfo], width: int | None) -> str:
    """The table of `ps`."""
    header = ("PID", "PPID", "STATE", "AGE", "IN", "CACHED", "OUT", "CALLS", "NAME", "WAITS FOR")
    return table(header, [_row(info) for info in processes], width)


def _row(info: ProcessInfo) -> tuple[str, ...]:
    used = info.usage
    counts = (used.tokens_in, used.tokens_cached, used.tokens_out, used.syscalls)
    remark = info.waits_for if info.exit_status is None else f"exit {info.exit_status}"
    return (
        str(info.pid),
        str(info.parent),
        info.state,
        seconds(max(time.time() - info.created, 0)),
        *(f"{count:,}" for count in counts),
        " ".join((info.name or info.program).split()),
        " ".join(remark.split()),
    )


@verb("wait", "wait until a process ends, print its output, exit with its status", PID, TIMEOUT)
async def wait(ctx: Context) -> Outcome:
    ended: ExitInfo = await ctx.ask("wait", pid=ctx.args.pid, timeout_s=ctx.args.timeout)
    return _ended(ctx, ended, ended.status, shown=False)


@verb(
    "kill",
    "end a process (TERM, KILL), or interrupt its turn (INT)",
    PID,
    option(
        "-s",
        "--signal",
        type=_signal,
        choices=("INT", "TERM", "KILL"),
        default="TERM",
        help="INT, TERM (the default) or KILL",
    ),
)
async def kill(ctx: Context) -> Outcome:
    await ctx.ask("kill", pid=ctx.args.pid, signal=ctx.args.signal)
    return Outcome({"pid": ctx.args.pid, "signal": ctx.args.signal})


@verb("attach", "talk to a process (off a terminal: follow its turn)", PID)
async def attach(ctx: Context) -> Outcome:
    if ctx.in_session or (sys.stdin.isatty() and ctx.out.is_tty and not ctx.out.as_json):
        return await ctx.enter(ctx.args.pid)
    info: ProcessInfo = await ctx.ask("attach", pid=ctx.args.pid)
    if info.exit_status is not None:
        raise KernelError(
            "ESRCH",
            f"process {info.pid} has ended (exit {info.exit_status})",
            f"llmos wait {info.pid} gives its output, llmos logs {info.pid} all of it",
        )
    view = _view(ctx, streams=not ctx.out.as_json)
    try:
        return await _follow_turn(ctx, info, view)
    except Interrupted:
        return Outcome({"pid": info.pid, "detached": True}, status=EXIT_INTERRUPTED)
    finally:
        view.end()


@verb(
    "logs",
    "show all that a process read and said",
    PID,
    option("-n", type=int, metavar="N", help="only the last N pages"),
)
async def logs(ctx: Context) -> Outcome:
    listed = await ctx.ask("logs", pid=ctx.args.pid)
    pages: list[PageInfo] = listed.pages
    if ctx.args.n is not None:
        pages = pages[-ctx.args.n :] if ctx.args.n > 0 else []
    return Outcome({"pages": pages}, "\n\n".join(page_text(page) for page in pages))


def page_text(page: PageInfo) -> str:
    """One page as `logs` and a replay show it. The text is still as foreign as it came."""
    away = "" if page.resident else ", swapped out"
    head = f"[{page.vpn}] {page.role}  ({page.num_tokens:,} tokens{away})"
    calls = ["· " + call_text(*named_call(call)) for call in page.calls]
    return "\n".join([head, *([page.text.rstrip()] if page.text.strip() else []), *calls])


def named_call(call: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a page's call; the latter are JSON text as the model wrote it."""
    arguments = call.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError:
            arguments = {"": arguments}
    return str(call.get("name", "?")), arguments if isinstance(arguments, dict) else {"": arguments}


# ---- following a process ------------------------------------------------------------------------


def _view(ctx: Context, *, streams: bool) -> TurnView:
    def say(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def tell(text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(paint(text, "dim", sys.stderr))
        sys.stderr.flush()

    def width() -> int:
        return columns_of(sys.stderr)

    return TurnView(say if streams else None, tell if ctx.out.notes_progress else None, width)


async def _follow(ctx: Context, pid: int, view: TurnView, timeout_s: float | None) -> int | None:
    """Shows a process's events until it has exited. A status of our own when we ended it."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    try:
        await _until_exit(ctx, pid, view, deadline)
        return None
    except Interrupted:
        await _end(ctx, pid, view, "INT")
        return EXIT_INTERRUPTED
    except TimeoutError:
        await _end(ctx, pid, view, "TERM")
        ctx.out.note(f"llmos: process {pid} did not answer within {seconds(timeout_s or 0)}")
        return EXIT_TIMEOUT
    except BrokenPipeError:  # nobody reads on: as a Unix program would, it ends
        await ctx.ask("kill", pid=pid, signal="TERM")
        raise
    except NoKernel as error:
        hint = f"process {pid} comes back with the kernel: llmos boot, then llmos wait {pid}"
        raise NoKernel(error.message, hint) from None
    finally:
        view.end()


async def _mention_loading(ctx: Context) -> None:
    """Says why nothing happens yet, to somebody who watches."""
    if ctx.out.notes_progress:
        engine: EngineStatus = (await ctx.ask("status")).engine
        if engine.state in ("loading", "restarting"):
            ctx.out.progress(still_loading(engine))


async def _until_exit(ctx: Context, pid: int, view: TurnView, deadline: float | None) -> None:
    while True:
        left_s = None if deadline is None else deadline - time.monotonic()
        if left_s is not None and left_s <= 0:
            raise TimeoutError
        event = await ctx.event(pid, left_s)
        view.show(event)
        if event.event == "exit":
            return


async def _end(ctx: Context, pid: int, view: TurnView, signal: str) -> None:
    """Ends a process: by the signal, and by KILL when that takes too long or on a second ^C."""
    try:
        await ctx.ask("kill", pid=pid, signal=signal)
        await _until_exit(ctx, pid, view, time.monotonic() + GRACE_S)
    except (TimeoutError, Interrupted):
        await ctx.ask("kill", pid=pid, signal="KILL")
    except KernelError as error:
        if error.code != "ESRCH":
            raise


async def _follow_turn(ctx: Context, info: ProcessInfo, view: TurnView) -> Outcome:
    """Shows events until the turn is over; of a process that has but one task, until it exits."""
    while True:
        event = await ctx.event(info.pid)
        view.show(event)
        document = {"pid": info.pid, "turn": "exit", "status": 0}
        if event.event == "exit":
            document |= {"status": event.status, "output": event.output}
            return Outcome(document, status=event.status)
        if event.event == "turn" and info.interactive:
            status = 0 if event.status == "done" else 1
            document |= {"turn": event.status, "status": status, "output": event.text}
            return Outcome(document, status=status)


def _ended(ctx: Context, ended: ExitInfo, status: int, *, shown: bool) -> Outcome:
    """What a process's end is as an outcome: its output, its exit status, and why it failed."""
    output = ended.output
    document: dict[str, Any] = {
        "pid": ended.pid,
        "status": status,
        "output": output,
        "usage": ended.usage,
    }
    if status:
        failure = KernelError(
            "ETIME" if status == EXIT_TIMEOUT else "EXIT",
            f"process {ended.pid} exited with {status}",
            f"llmos logs {ended.pid} shows what it read and said",
        )
        document |= {"ok": False, "error": explained(failure)}
        ctx.out.progress(f"[{ended.pid}] exit {status}")
    return Outcome(document, "" if shown else output, status)


def exit_line(pid: int, status: int, output: str) -> str:
    """`[4] exited 0: …`, for a process that ended in the background."""
    text = " ".join(harmless(output).split())
    return f"[{pid}] exited {status}" + (f": {text}" if text else "")
