"""All about one process, as a text."""

from __future__ import annotations

from ..output import harmless, seconds
from ..verbs.processes import age_of, limits_text, page_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from ..async_client import AsyncClient
    from .reading import Row

    Text = Coroutine[Any, Any, str]

LAST_PAGES = 6
LAST_LINES = 40


async def why(client: AsyncClient, pid: int) -> str:
    """What it waits for, a sentence a line. Raises ShellError."""
    found = await client.ask("why", pid=pid)
    return harmless("\n".join(found.sentences))


async def everything(client: AsyncClient, row: Row) -> str:
    """Harmless. Raises ShellError."""
    info = row.info
    used = info.usage
    budget = "no budget" if info.budget is None else f"{info.tokens_left:,} of {info.budget:,} left"
    lines = [
        ("name", f"{row.name} ({info.program})"),
        ("state", f"{info.state}{', thrashing' if info.thrashing else ''}, {_age(info)}"),
        ("tree", f"parent {info.parent}, group {info.group}, session {info.session}"),
        (
            "tokens",
            f"{used.tokens_in:,} in ({used.tokens_cached:,} cached), {used.tokens_out:,} out",
        ),
        ("engine", f"{seconds(used.engine_s)}, {used.syscalls:,} syscalls, nice {info.nice}"),
        (
            "pages",
            f"{info.pages:,}, {info.pages_evicted:,} of them evicted, {info.faults:,} faults",
        ),
        ("budget", budget),
        ("limits", limits_text(info.limits) or "none"),
    ]
    head = "\n".join(f"{name:<8}{words}" for name, words in lines)
    pages = (await client.ask("logs", pid=info.pid)).pages[-LAST_PAGES:]
    said = "\n\n".join(page_text(page) for page in pages).splitlines()[-LAST_LINES:]
    parts = [harmless(head), await why(client, info.pid), harmless("\n".join(said))]
    return "\n\n".join(part for part in parts if part)


def _age(info: Any) -> str:
    return f"begun {seconds(age_of(info))} ago"
