"""A script under the kernel: `llmos run script.py` runs it by this very Python, and gives it a
process of its own, below which `llmos.connect()` starts all that it starts.

That process is a guest of the verb's connection. When the script ends, or the verb, or somebody
ends the process, what is below it ends too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from .arguments import root_of
from .errors import Interrupted, KernelError, Suspended, UsageError
from .following import EXIT_INTERRUPTED, EXIT_TIMEOUT, GRACE_S
from .verb import Context, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import IO, Any

SOONEST_S, LOOK_EVERY_S = 0.001, 0.05
"""How often we look whether the script has ended, ever more seldom."""

NOTICE_S = 0.5
"""What a script has to end by itself after Ctrl-C."""


def is_script(words: list[str]) -> bool:
    """Is the first word the path of a Python file?"""
    return bool(words) and words[0].endswith(".py") and os.path.isfile(words[0])


async def run_script(ctx: Context, words: list[str]) -> Outcome:
    """To its end; the outcome has its status, and with `--json` what it wrote to stdout."""
    args = ctx.args
    if ctx.in_background:
        raise UsageError("a script runs in the foreground", "! llmos run script.py &")
    opened = await ctx.ask(
        "open_guest",
        root=root_of(args.root),
        name=args.name or os.path.basename(words[0]),
        tools=args.tools,
        limits=dict(args.limit),
        budget=args.budget,
        nice=args.nice,
        attach=True,
    )
    pid = int(opened.pid)
    with contextlib.ExitStack() as stack:
        written = stack.enter_context(_kept()) if ctx.out.as_json else None
        script = _start(ctx, words, pid, written)
        try:
            status = await follow_program(ctx, pid, script, args.timeout)
        finally:
            end_program(script)
        document: dict[str, Any] = {"pid": pid, "status": status}
        if written is not None:
            written.seek(0)
            document["output"] = written.read().decode("utf-8", "replace")
    with contextlib.suppress(KernelError):  # it has ended already
        await ctx.ask("close_guest", pid=pid, status=status)
    return Outcome(document, status=status)


def _kept() -> IO[bytes]:
    """What a script writes when stdout is for one document."""
    from tempfile import TemporaryFile

    return TemporaryFile()


def _start(ctx: Context, words: list[str], pid: int, written: IO[bytes] | None) -> Popen[bytes]:
    from subprocess import Popen

    where = {"LLMOS_SOCKET": ctx.paths.socket, "LLMOS_STATE_DIR": ctx.paths.state_dir}
    sys.stdout.flush()
    return Popen(
        [sys.executable, *words],
        env=os.environ | where | {"LLMOS_PARENT": str(pid)},
        stdout=written,
    )


async def follow_program(
    ctx: Context, pid: int, script: Popen[bytes], timeout_s: float | None = None
) -> int:
    """Until a program has ended, or process `pid`, whose it is: its exit status."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    look_s = SOONEST_S
    while True:
        try:
            event, look_s = None, min(2 * look_s, LOOK_EVERY_S)
            with contextlib.suppress(TimeoutError):
                event = await ctx.event(pid, look_s)
            if script.poll() is not None:
                return _status(script)
            if event is not None and event.event == "exit":  # somebody has ended the process
                return int(event.status)
            if event is not None and event.event == "state":
                script.send_signal(signal.SIGSTOP if event.state == "stopped" else signal.SIGCONT)
            if deadline is not None and time.monotonic() > deadline:
                ctx.out.note("llmos: the script did not end in time")
                return EXIT_TIMEOUT
        except Suspended:  # the terminal has stopped it, and nobody could let it go on
            script.send_signal(signal.SIGCONT)
        except (Interrupted, KeyboardInterrupt):
            return _interrupted(script)


def _interrupted(script: Popen[bytes]) -> int:
    """Ctrl-C reaches the script, too, and a second one would disturb it while it clears up. A
    signal to us alone does not."""
    with contextlib.suppress(KeyboardInterrupt):
        if not _ends(script, NOTICE_S):
            script.send_signal(signal.SIGINT)
            _ends(script, GRACE_S)
    return EXIT_INTERRUPTED if script.poll() is None else _status(script) or EXIT_INTERRUPTED


def _status(script: Popen[bytes]) -> int:
    """As a shell has it."""
    code = script.returncode
    return 128 - code if code < 0 else code


def end_program(script: Popen[bytes]) -> None:
    """Tells it to end, and ends it when that takes too long."""
    if script.poll() is None:
        script.send_signal(signal.SIGCONT)
        script.terminate()
        if not _ends(script, GRACE_S):
            script.kill()
            script.wait()


def _ends(script: Popen[bytes], within_s: float) -> bool:
    from subprocess import TimeoutExpired

    try:
        script.wait(within_s)
    except TimeoutExpired:
        return False
    return True
