"""Messages from one process to another."""

from __future__ import annotations

from ..syscalls import Context, MessageRecord, syscall

HOUR_S = 3600
MAX_LINE = 200


@syscall(needs="proc.send", effect="idempotent", listed=False)
async def send(ctx: Context, pid: int, text: str) -> str:
    """Send a message to a process."""
    await ctx.services.send(pid, text)
    return f"sent to pid {pid}"


@syscall(effect="pure", listed=False)
async def list_messages(ctx: Context) -> str:
    """List the messages that wait to be received, the oldest first."""
    waiting = ctx.services.waiting_messages()
    return "\n".join(" ".join(_told(one).split())[:MAX_LINE] for one in waiting) or "none"


# Not parallel: a process says one thing that it waits for, by which a deadlock is found.
@syscall(timeout=HOUR_S, effect="pure", parallel=False, listed=False)
async def select(
    ctx: Context,
    pids: list[int] | None = None,
    messages: bool = False,
    input: bool = False,
    timeout: float | None = None,
) -> str:
    """Wait for the first of several: the end of a process, a message, input."""
    return await ctx.services.select(pids or (), messages=messages, input=input, timeout_s=timeout)


@syscall(timeout=HOUR_S, effect="idempotent", listed=False)
async def receive(ctx: Context, sender: int | None = None, timeout: float | None = None) -> str:
    """Wait for a message, of one process or of any, and read it."""
    message = await ctx.services.receive(sender, timeout_s=timeout)
    return _told(message)


def _told(message: MessageRecord) -> str:
    if message.kind != "message":
        return f"({message.kind}) {message.text}"
    return f"pid {message.sender} says: {message.text}"
