"""Programs that an agent has written, run in the sandbox: they see its folder and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field

from ..syscalls import Context, syscall
from ..syscalls.errno import ENOMEM, ETIME, SyscallError
from ..syscalls.sandbox import Bounds, Ended, Program, run

MAX_SECONDS = 120
MAX_MEMORY_MB = 1536
"""A worker, and what it starts, may have 2 GiB each."""

Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
Megabytes = Annotated[int, Field(ge=64, le=MAX_MEMORY_MB)]

_LAST_WORDS = 1000


@syscall(needs="code.run", timeout=MAX_SECONDS + 15, listed=False)
def run_python(ctx: Context, code: str, timeout: Seconds = 10, memory_mb: Megabytes = 512) -> str:
    """Run a Python program and get what it prints.

    It runs in this process's folder, whose files it can read and write, without a network, and
    with an empty /tmp of its own. What it leaves running is ended with it.

    Args:
        code: The program; what it should tell, it has to print.
        timeout: Seconds after which it is stopped.
        memory_mb: MiB of memory that it may take, with all that it starts.
    """
    environ = {
        "PYTHONPATH": str(ctx.root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",  # so that errors stand where they came
    }
    return _run(
        ctx,
        Program(
            lambda tmp: (sys.executable, f"{tmp}/main.py"),
            {"main.py": code.encode()},
            environ,
        ),
        timeout,
        memory_mb,
    )


@syscall(needs="code.run", timeout=MAX_SECONDS + 15, listed=False)
def run_shell(ctx: Context, command: str, timeout: Seconds = 10, memory_mb: Megabytes = 512) -> str:
    """Run a shell command, or a script, and get its output.

    As `run_python`: in this process's folder, without a network.

    Args:
        command: What `sh` is to run.
        timeout: Seconds after which it is stopped.
        memory_mb: MiB of memory that it may take, with all that it starts.
    """
    argv: Callable[[str], Sequence[str]] = lambda tmp: ("sh", f"{tmp}/main.sh")  # noqa: E731
    return _run(ctx, Program(argv, {"main.sh": command.encode()}), timeout, memory_mb)


def _run(ctx: Context, program: Program, timeout: float, memory_mb: int) -> str:
    bounds = Bounds(timeout_s=timeout, memory_bytes=memory_mb << 20)
    return _told(run(program, ctx.root, writable=True, bounds=bounds), timeout)


def _told(ended: Ended, timeout: float) -> str:
    output = ended.output.decode(errors="replace").rstrip()
    if ended.stopped:
        raise _stopped(ended, output, timeout)
    lines = [output] if output else []
    if ended.status:
        how = "exit status" if ended.status > 0 else "ended by signal"
        lines.append(f"({how} {abs(ended.status)})")
    if not ended.namespaces:
        lines.append("(sandbox: restricted, without namespaces)")
    return "\n".join(lines) or "(no output)"


def _stopped(ended: Ended, output: str, timeout: float) -> SyscallError:
    said = f"; it had said: {output[-_LAST_WORDS:]}" if output else ""
    if "longer" in ended.stopped:
        more = f"give a longer timeout, up to {MAX_SECONDS}, or do less at once"
        return ETIME(f"{ended.stopped} and was stopped{said}", hint=more)
    hint = f"memory_mb may be up to {MAX_MEMORY_MB}" if "memory" in ended.stopped else ""
    return ENOMEM(f"{ended.stopped} and was stopped{said}", hint=hint)
