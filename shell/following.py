"""Following a process from the terminal: its turn as it comes, its end, and how it ended."""

from __future__ import annotations

import sys
import time

from .engine import still_loading
from .errors import Interrupted, KernelError, NoKernel, Suspended
from .output import columns_of, explained, harmless, paint, seconds
from .turn import TurnView
from .verb import Context, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..kernel.messages import EngineStatus, ExitInfo, ProcessInfo

EXIT_TIMEOUT = 124
EXIT_INTERRUPTED = 130
EXIT_STOPPED = 147

EXIT_WORDS = {
    EXIT_TIMEOUT: "it took too long",
    65: "its answer is not of its output schema",
    130: "interrupted (INT)",
    137: "killed (KILL)",
    141: "nobody read on (PIPE)",
    143: "ended from outside (TERM)",
    EXIT_STOPPED: "stopped (STOP)",
    152: "a limit or its budget was reached (XCPU)",
}
"""What an exit status says beside 0 and 1."""

GRACE_S = 5.0
"""How long a process that was told to end may take before it is killed."""


def view_of(ctx: Context, *, streams: bool) -> TurnView:
    """A view on the two streams; in the interactive shell, on its terminal."""
    live = ctx.live_view(tells=ctx.out.notes_progress) if streams else None
    if live is not None:
        return live

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


async def follow(ctx: Context, pid: int, view: TurnView, timeout_s: float | None) -> int | None:
    """Shows a process's events until it has exited. A status of our own when we ended it, or
    stopped it."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    try:
        await _until_exit(ctx, pid, view, deadline)
        return None
    except Suspended:
        view.end()
        await ctx.ask("kill", pid=pid, signal="STOP")
        await ctx.stopped(pid, "".join(view.heard))
        return EXIT_STOPPED
    except (Interrupted, KeyboardInterrupt):
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


async def mention_loading(ctx: Context) -> None:
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
        if event.event == "state" and event.state == "stopped":
            view.end()
            if not ctx.out.as_json:
                ctx.out.note(f"process {pid} is stopped: llmos cont {pid} lets it go on")


async def _end(ctx: Context, pid: int, view: TurnView, signal: str) -> None:
    """Ends a process: by the signal, and by KILL when that takes too long or on a second ^C."""
    try:
        await ctx.ask("kill", pid=pid, signal=signal)
        await _until_exit(ctx, pid, view, time.monotonic() + GRACE_S)
    except (TimeoutError, Interrupted, KeyboardInterrupt):
        await ctx.ask("kill", pid=pid, signal="KILL")
    except KernelError as error:
        if error.code != "ESRCH":
            raise


async def follow_turn(ctx: Context, info: ProcessInfo, view: TurnView) -> Outcome:
    """Shows events until the turn is over; of a process that has but one task, until it exits."""
    while True:
        event = await ctx.event(info.pid)
        view.show(event)
        document: dict[str, Any] = {"pid": info.pid, "turn": "exit", "status": 0}
        if event.event == "exit":
            document |= {"status": event.status, "output": event.output}
            if event.status:
                document["error"] = explained(_exited(info.pid, event.status))
            return Outcome(document, status=event.status)
        if event.event == "turn" and info.interactive:
            status = 0 if event.status == "done" else 1
            document |= {"turn": event.status, "status": status, "output": event.text}
            if status:
                failure = KernelError("EFAIL", f"the turn of process {info.pid}: {event.status}")
                document["error"] = explained(failure)
            return Outcome(document, status=status)


# ---- the end -----------------------------------------------------------------------------------


def ended(ctx: Context, info: ExitInfo, status: int, *, shown: bool) -> Outcome:
    """What a process's end is as an outcome: its output, its exit status, and why it failed."""
    output = info.output
    document: dict[str, Any] = {
        "pid": info.pid,
        "status": status,
        "output": output,
        "usage": info.usage,
    }
    if status:
        document |= {"ok": False, "error": explained(_exited(info.pid, status))}
        ctx.out.progress(f"[{info.pid}] exit {status_text(status)}")
    return Outcome(document, "" if shown else output, status)


def _exited(pid: int, status: int) -> KernelError:
    """Of a process that has failed."""
    return KernelError(
        "ETIME" if status == EXIT_TIMEOUT else "EXIT",
        f"process {pid} exited with {status_text(status)}",
        f"llmos logs {pid} shows what it read and said",
    )


def status_text(status: int) -> str:
    """`0`, or `137: killed (KILL)`."""
    words = EXIT_WORDS.get(status)
    return f"{status}: {words}" if words else str(status)


def exit_line(pid: int, status: int, output: str, job: int = 0) -> str:
    """`process 4 exited 0: …`, or `[1] 4 exited 137, killed (KILL)` for a job of this shell."""
    text = " ".join(harmless(output).split())
    words = f", {EXIT_WORDS[status]}" if status in EXIT_WORDS else ""
    who = f"[{job}] {pid}" if job else f"process {pid}"
    return f"{who} exited {status}{words}" + (f": {text}" if text else "")
