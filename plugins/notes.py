"""Notes that outlive the conversation in which they were made."""

from __future__ import annotations

from ..syscalls import Context, syscall


@syscall(needs="mem.write")
async def remember(ctx: Context, text: str) -> str:
    """Keep a note for later."""
    await ctx.services.remember(text)
    return "noted"


@syscall(needs="mem.read", effect="pure")
async def recall(ctx: Context, query: str) -> str:
    """Find the notes about something."""
    return "\n".join(await ctx.services.recall(query)) or f"no notes about {query}"
