"""Memory: the pages that have left the window, and blocks, which never leave it."""

from __future__ import annotations

from ..syscalls import Context, syscall


@syscall(needs="mem.read", effect="pure", listed=False)
async def page_in(ctx: Context, page: int, start: int = 0, length: int | None = None) -> str:
    """Read a page of this conversation again, by its number.

    A long one comes in parts: `start` is the character to begin at, and `length` the most
    characters to read.
    """
    return await ctx.services.page_in(page, start, length)


@syscall(needs="mem.write", effect="idempotent", listed=False)
async def pin(ctx: Context, page: int) -> str:
    """Keep a page in view, however long the conversation gets.

    One that is out of view comes back as a copy, and the copy is kept.
    """
    return await ctx.services.pin(page)


@syscall(needs="mem.write", effect="idempotent", listed=False)
async def unpin(ctx: Context, page: int) -> str:
    """Let a page that was pinned leave like any other."""
    await ctx.services.unpin(page)
    return f"unpinned page {page}"


@syscall(needs="mem.write", effect="idempotent", listed=False)
async def forget(ctx: Context, page: int) -> str:
    """Let a page go: it leaves before others, and recall finds it no more."""
    await ctx.services.forget(page)
    return f"forgot page {page}"


@syscall(needs="mem.read", effect="pure", listed=False)
async def block_list(ctx: Context) -> str:
    """List the blocks, which stand at the beginning of the conversation."""
    blocks = ctx.services.list_blocks()
    return "\n".join(f"{b.name}: {b.size} of {b.limit} characters" for b in blocks) or "none"


@syscall(needs="mem.read", effect="pure", listed=False)
async def block_read(ctx: Context, name: str) -> str:
    """Read a block as it is now."""
    return ctx.services.read_block(name) or "(empty)"


@syscall(needs="mem.write", effect="idempotent", listed=False)
async def block_write(ctx: Context, name: str, text: str) -> str:
    """Write a block, a short text to keep in view; what it held is replaced."""
    await ctx.services.write_block(name, text)
    return f"wrote {len(text)} characters to block {name}"


@syscall(needs="mem.write", effect="idempotent", listed=False)
async def block_edit(ctx: Context, name: str, old: str, new: str) -> str:
    """Replace a text in a block by another; it must stand there exactly once."""
    text = await ctx.services.edit_block(name, old, new)
    return f"{name} is now:\n{text}"


@syscall(needs="mem.write", effect="idempotent", listed=False)
async def block_delete(ctx: Context, name: str) -> str:
    """Delete a block."""
    await ctx.services.delete_block(name)
    return f"deleted block {name}"
