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


@syscall(needs="mem.read", effect="pure", listed=False)
async def search_memory(ctx: Context, query: str, scope: str = "", when: str = "") -> str:
    """Find what was said earlier in this conversation, or what documents say.

    `scope` is the name of a knowledge base, or `all` of them; without one, the conversation and
    the notes are searched. `when` limits the conversation to a day or to days, as in `yesterday`
    or `2026-05-08..2026-05-10`.
    """
    found = await ctx.services.search(query, scope, when)
    return "\n".join(found) or f"nothing about {query}"
