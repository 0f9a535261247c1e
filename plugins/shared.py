"""Shared pages: texts by name, which several processes read and write."""

from __future__ import annotations

from typing import Literal

from ..syscalls import Context, syscall

Who = Literal["owner", "tree", "group", "session", "all"]


@syscall(needs="mem.read", effect="pure", listed=False)
async def shared_read(ctx: Context, name: str) -> str:
    """Read a shared page."""
    text, version = ctx.services.read_shared(name)
    return f"version {version}:\n{text}"


@syscall(needs="mem.write", listed=False)
async def shared_write(
    ctx: Context,
    name: str,
    text: str,
    version: int | None = None,
    readers: Who | None = None,
    writers: Who | None = None,
) -> str:
    """Write a shared page.

    With a version, only if it still has that one. Who made it says who may read and write: the
    owner alone, its tree, its group, its session, or all.
    """
    now = await ctx.services.write_shared(name, text, version, readers, writers)
    return f"{name} has version {now}"


@syscall(needs="mem.read", effect="pure", listed=False)
async def shared_list(ctx: Context) -> str:
    """List the shared pages."""
    return "\n".join(ctx.services.list_shared()) or "there are none"
