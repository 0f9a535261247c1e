"""Processes: helpers of the caller, and the list of all."""

from __future__ import annotations

from ..syscalls import Context, syscall

HOUR_S = 3600


@syscall(needs="proc.spawn")
async def spawn(ctx: Context, task: str) -> str:
    """Start a helper agent on a task and get its pid."""
    return f"pid {await ctx.services.spawn(task)}"


@syscall(timeout=HOUR_S, effect="idempotent")
async def wait(ctx: Context, pid: int) -> str:
    """Wait until a process ends and get its answer."""
    ended = await ctx.services.wait(pid)
    return f"pid {ended.pid} exited with status {ended.status}: {ended.output}"


@syscall(needs="proc.signal")
async def kill(ctx: Context, pid: int) -> str:
    """End a process."""
    await ctx.services.kill(pid)
    return f"killed pid {pid}"


@syscall(effect="pure")
async def list_processes(ctx: Context) -> str:
    """List the processes."""
    processes = ctx.services.processes()
    return "\n".join(f"{p.pid} {p.state} {' '.join(p.name.split())}" for p in processes)
