"""Processes: helpers of the caller, and the list of all."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..syscalls import Context, ExitRecord, syscall

HOUR_S = 3600


@syscall(needs="proc.spawn")
async def spawn(ctx: Context, task: str) -> str:
    """Start a helper agent on a task and get its pid."""
    return f"pid {await ctx.services.spawn(task)}"


@syscall(needs="proc.spawn", effect="idempotent", listed=False)
async def fork(ctx: Context, task: str | None = None) -> str:
    """Start a helper that knows all of this conversation, and get its pid.

    In the helper the result is 0. With a task, that is what the helper does next.
    """
    return f"pid {await ctx.services.fork(task)}"


@syscall(needs="proc.spawn", effect="idempotent", listed=False)
async def exec(ctx: Context, task: str) -> str:
    """Forget this conversation and begin a new task in its place."""
    await ctx.services.exec(task)
    return ""


@syscall(timeout=HOUR_S, effect="idempotent")
async def wait(ctx: Context, pid: int) -> str:
    """Wait until a process ends and get its answer."""
    return _told(await ctx.services.wait(pid))


@syscall(timeout=HOUR_S, effect="idempotent", listed=False)
async def wait_any(ctx: Context, pids: list[int] | None = None) -> str:
    """Wait until the first of some helpers, or of all, ends and get its answer."""
    return _told(await ctx.services.wait_any(pids or ()))


@syscall(needs="proc.signal")
async def kill(ctx: Context, pid: int) -> str:
    """End a process."""
    await ctx.services.kill(pid)
    return f"killed pid {pid}"


@syscall(needs="proc.signal", effect="idempotent", listed=False)
async def signal(ctx: Context, pid: int, name: str, payload: str = "") -> str:
    """Send a signal to a process: STOP, CONT, INT, TERM, KILL, or USR1 with a payload."""
    await ctx.services.signal(pid, name, payload)
    return f"sent {name} to pid {pid}"


@syscall(needs="proc.signal", effect="idempotent", listed=False)
async def link(ctx: Context, pid: int) -> str:
    """Share the fate of a helper: when one of you fails, the other is told to end."""
    await ctx.services.link(pid)
    return f"linked to pid {pid}"


@syscall(needs="proc.signal", effect="idempotent", listed=False)
async def unlink(ctx: Context, pid: int) -> str:
    """End a link to a helper."""
    await ctx.services.unlink(pid)
    return f"no longer linked to pid {pid}"


@syscall(needs="proc.signal", effect="idempotent", listed=False)
async def nice(ctx: Context, pid: int, level: Annotated[int, Field(ge=-20, le=19)]) -> str:
    """Let a process go after others (up to 19), or before them (down to -20)."""
    await ctx.services.set_nice(pid, level)
    return f"pid {pid} has nice {level}"


@syscall(effect="pure", listed=False)
async def process_status(ctx: Context, pid: int | None = None) -> str:
    """Tell what a helper does and what it has used; without a pid, this process itself."""
    return (await ctx.services.process_status(ctx.pid if pid is None else pid)).rstrip()


@syscall(effect="pure")
async def list_processes(ctx: Context) -> str:
    """List the processes."""
    processes = ctx.services.processes()
    return "\n".join(f"{p.pid} {p.state} {' '.join(p.name.split())}" for p in processes)


def _told(ended: ExitRecord) -> str:
    return f"pid {ended.pid} exited with status {ended.status}: {ended.output}"
