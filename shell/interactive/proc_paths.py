"""What completes a path of `/proc`: what is in the folder that was typed so far."""

from __future__ import annotations

from ..errors import Interrupted, ShellError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    Ask = Callable[..., Awaitable[Any]]


async def proc_paths(ask: Ask, word: str) -> list[tuple[str, str]]:
    """(path, what it is) of all in that folder, folders with a slash at their end; nothing for a
    folder that is not there."""
    folder, slash, _ = word.rpartition("/")
    if not folder:
        return [("/proc/", "the kernel as files")]
    try:
        entries = (await ask("list_proc", path=folder)).entries
    except (ShellError, Interrupted):
        return []
    return [
        (f"{folder}{slash}{entry.name}{'/' if entry.folder else ''}", entry.about)
        for entry in entries
    ]
