"""What somebody who attaches in the middle of a turn has missed of it.

The answer to `attach` holds what was said of the page that is being generated, up to the very event
that comes next, and the number of pages before it. Pages beyond that number, which `logs` may list
by the time that it is asked, are told by events.
"""

from __future__ import annotations

import json

from .client import Record
from .output import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..kernel.messages import AttachInfo, PageInfo
    from .turn import TurnView
    from .verb import Context


def pages_before(info: AttachInfo, pages: Sequence[PageInfo]) -> list[PageInfo]:
    """Those that no event will tell of."""
    return [page for page in pages if page.vpn < info.num_pages]


def is_unanswered(pages: Sequence[PageInfo]) -> bool:
    """Whether the newest page is not the agent's last word."""
    return bool(pages) and (pages[-1].role != "assistant" or bool(pages[-1].calls))


def turn_so_far(info: AttachInfo, pages: Sequence[PageInfo]) -> list[Any]:
    """The turn under way as the events that were missed; results of syscalls are not among them,
    for a page does not say how long one took."""
    before = pages_before(info, pages)
    events: list[Any] = []
    if is_unanswered(before):
        asked = max((n for n, page in enumerate(before) if page.role == "user"), default=-1)
        for page in before[asked + 1 :]:
            if page.role == "assistant":
                events += _told(info.pid, page)
    if info.said:
        events.append(Record(event="text", pid=info.pid, text=info.said))
    return events


def _told(pid: int, page: PageInfo) -> list[Any]:
    said = [Record(event="text", pid=pid, text=page.text)] if page.text else []
    return said + [
        Record(
            event="call",
            pid=pid,
            call_id="",
            name=call["name"],
            arguments=_object(call["arguments"]),
        )
        for call in page.calls
    ]


def _object(arguments: Any) -> dict[str, Any]:
    """What the model wrote, which need not be an object."""
    try:
        read = json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        read = arguments
    return read if isinstance(read, dict) else {"arguments": read}


async def catch_up(ctx: Context, info: AttachInfo, view: TurnView, heard: str = "") -> None:
    """Shows what was missed of a turn, but for what was `heard` of it before. If that is not how it
    begins, nothing is shown of its text."""
    events = turn_so_far(info, (await ctx.ask("logs", pid=info.pid)).pages)
    if heard:
        said = "".join(event.text for event in events if event.event == "text")
        rest = harmless(said).removeprefix(heard) if harmless(said).startswith(heard) else ""
        events = [Record(event="text", pid=info.pid, text=rest)]
    for event in events:
        view.show(event)
