"""What a team did: its supervisor's diary, and what its units said, in the order of time.

digest | started reader as pid 5
reader | The first part is about …
"""

from __future__ import annotations

import re

from .errors import Interrupted
from .turn import call_text
from .verb import Context, Outcome
from .verbs.processes import named_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..kernel.messages import PageInfo

SAID = ("assistant",)
_STARTED = re.compile(r"started (\S+) as pid (\d+)")


class TeamLog:
    """Reads what is new since it was last asked. `pid` is the supervisor's."""

    def __init__(self, ctx: Context, pid: int, name: str) -> None:
        self._ctx = ctx
        self._pid = pid
        self._names = {pid: name}
        """Of the supervisor and of all that it has started, by pid."""
        self._read: dict[int, tuple[int, int]] = {}
        """Of each, which image was read, and how many pages of it."""

    async def news(self) -> list[dict[str, Any]]:
        """The oldest first, each with `unit`, `pid`, `role`, `at` (Unix seconds) and `text`."""
        entries = [self._entry(self._pid, page) for page in await self._pages(self._pid)]
        entries = [entry for entry in entries if entry["role"] in SAID]  # else it is its own plan
        for entry in entries:
            if started := _STARTED.match(entry["text"]):
                self._names[int(started[2])] = started[1]
        roles = self._ctx.args.role or SAID
        for pid in [pid for pid in self._names if pid != self._pid]:
            for page in await self._pages(pid):
                if page.role in roles and (entry := self._entry(pid, page))["text"]:
                    entries.append(entry)
        since = self._ctx.args.since or 0.0
        return sorted(
            (entry for entry in entries if entry["at"] >= since), key=lambda entry: entry["at"]
        )

    async def _pages(self, pid: int) -> list[PageInfo]:
        image, num_read = self._read.get(pid, (0, 0))
        found = await self._ctx.ask("logs", pid=pid, first=num_read)
        if found.image != image:  # it called exec, and its pages are counted from 0 again
            image, num_read = found.image, 0
            found = await self._ctx.ask("logs", pid=pid)
        pages: list[PageInfo] = found.pages
        self._read[pid] = image, num_read + len(pages)
        return pages

    def _entry(self, pid: int, page: PageInfo) -> dict[str, Any]:
        calls = page.calls if self._ctx.args.role else []
        text = [page.text.strip(), *(f"· {call_text(*named_call(call))}" for call in calls)]
        return {
            "unit": self._names[pid],
            "pid": pid,
            "role": page.role,
            "at": page.created,
            "text": "\n".join(part for part in text if part),
        }


async def team_logs(ctx: Context, pid: int, name: str) -> Outcome:
    """For the verb `logs`, whose options it obeys."""
    log = TeamLog(ctx, pid, name)
    if ctx.args.follow:
        return await _follow(ctx, log, pid)
    entries = _last(await log.news(), ctx.args.n)
    return Outcome({"pid": pid, "name": name, "entries": entries}, "\n".join(map(text_of, entries)))


async def _follow(ctx: Context, log: TeamLog, pid: int) -> Outcome:
    """What is there, and then what comes, until the team has ended or Ctrl-C."""
    ctx.out.as_lines = True
    looking = await ctx.ask("look_on", pids=[pid], follow=True, what="pages")
    entries = _last(await log.news(), ctx.args.n)
    shown, over = _show(ctx, entries), False
    try:
        while not over:
            sight = await ctx.ask("look", onlooker=looking.onlooker)
            over = sight.over or any(one.kind == "exit" and one.pid == pid for one in sight.seen)
            shown += _show(ctx, await log.news())
    except (Interrupted, KeyboardInterrupt):
        pass
    return Outcome({"pid": pid, "entries": shown})


def _last(entries: list[dict[str, Any]], number: int | None) -> list[dict[str, Any]]:
    return entries if number is None else entries[-number:] if number > 0 else []


def _show(ctx: Context, entries: list[dict[str, Any]]) -> int:
    for entry in entries:
        if ctx.out.as_json:
            ctx.out.document(entry)
        else:
            ctx.out.line(text_of(entry))
    return len(entries)


def text_of(entry: dict[str, Any]) -> str:
    """Every line of it behind the unit's name."""
    lines = entry["text"].splitlines() or [""]
    return "\n".join(f"{entry['unit']} | {line}".rstrip() for line in lines)
