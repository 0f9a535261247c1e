"""The verbs that look at memory: pages, du, fsck, memory-map."""

from __future__ import annotations

import os
import sys
import time

from ..arguments import PID
from ..errors import UsageError
from ..output import count_text, seconds, table
from ..verb import Context, Outcome, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...kernel.messages import MemoryUsage, PageRow, PageTable, RecallUsage, SpaceUsage

BAR = 30
UNITS = ("B", "kB", "MB", "GB")


@verb(
    "pages",
    "the page table of a process: what is in its window, and what has left it",
    PID,
    option("-n", type=int, metavar="N", help="only the last N pages"),
    option("--resident", action="store_true", help="only those in the window"),
)
async def pages(ctx: Context) -> Outcome:
    found: PageTable = await ctx.ask("pages", pid=ctx.args.pid)
    listed = [page for page in found.pages if page.left is None or not ctx.args.resident]
    if ctx.args.n is not None:
        listed = listed[-ctx.args.n :] if ctx.args.n > 0 else []
    rows = [
        (str(page.vpn), page.role, tokens_text(page), state_text(page), _left(page), page.begins)
        for page in listed
    ]
    header = ("PAGE", "ROLE", "TOKENS", "STATE", "LEFT", "BEGINS")
    document: Any = found
    return Outcome({**document, "pages": listed}, table(header, rows, ctx.out.width))


def tokens_text(page: PageRow) -> str:
    """`120`, or `50/120` when a part of it is shown."""
    if page.left is None and page.shown_tokens < page.num_tokens:
        return f"{count_text(page.shown_tokens)}/{count_text(page.num_tokens)}"
    return count_text(page.num_tokens)


def state_text(page: PageRow) -> str:
    """Where it is, and what the pager is to do with it."""
    words = ["resident" if page.left is None else "evicted"]
    words += [word for word in ("pinned", "recalled", "unwanted") if getattr(page, word)]
    if page.processes > 1:
        words.append(f"shared by {page.processes}")
    return " ".join(words)


def _left(page: PageRow) -> str:
    return "-" if page.left is None else f"{seconds(max(time.time() - page.left, 0))} ago"


@verb("du", "what the pages of each process take, in windows and on disk")
async def du(ctx: Context) -> Outcome:
    found: MemoryUsage = await ctx.ask("du")
    header = ("PID", "PAGES", "RESIDENT", "EVICTED", "DISK", "OWN", "NAME")
    text = table(header, [_usage_row(one) for one in found.processes], ctx.out.width)
    files = ", ".join(
        f"{name} {size_text(size)}"
        for name, size in (
            ("swap", found.swap_bytes),
            ("index", found.index_bytes),
            ("chroma", found.chroma_bytes),
        )
    )
    total = (
        f"{found.frames:,} pages, each counted once, of {size_text(found.text_bytes)};"
        f" files: {files}"
    )
    lines = [total, *([recall_text(found.recall)] if found.recall else [])]
    return Outcome(found, "\n".join([text, "", *lines]))


def recall_text(found: RecallUsage) -> str:
    """How far recall has come, with a bar while vectors are handed to Chroma again."""
    words = f"recall: {found.pages:,} pages are found by their words"
    if found.behind:
        words += f", {found.behind:,} not yet"
    words += f", {found.pages - found.unembedded:,} by their meaning"
    if found.rebuilding:
        done = BAR * found.rebuilt // max(found.to_rebuild, 1)
        words += (
            f"\nrebuilding the vectors of {found.rebuilding}"
            f" [{'#' * done}{'-' * (BAR - done)}] {found.rebuilt:,} of {found.to_rebuild:,}"
        )
    return f"{words}\n({found.trouble})" if found.trouble else words


def _usage_row(one: SpaceUsage) -> tuple[str, ...]:
    return (
        str(one.pid),
        count_text(one.pages),
        count_text(one.resident_tokens),
        count_text(one.evicted_tokens),
        size_text(one.bytes),
        size_text(one.own_bytes),
        " ".join(one.name.split()),
    )


def size_text(num_bytes: float) -> str:
    """`812 B`, `1.4 kB`, `23 MB`."""
    power = 0
    while num_bytes >= 1000 and power < len(UNITS) - 1:
        num_bytes, power = num_bytes / 1000, power + 1
    digits = 1 if power and num_bytes < 10 else 0
    return f"{num_bytes:.{digits}f} {UNITS[power]}"


@verb("fsck", "check that every page is there, and is what was written")
async def fsck(ctx: Context) -> Outcome:
    found = await ctx.ask("fsck")
    problems: list[str] = found.problems
    verdict = f"{len(problems)} problems" if problems else "no problems"
    return Outcome(
        found, "\n".join([*problems, f"{found.pages:,} pages read: {verdict}"]), bool(problems)
    )


@verb(
    "memory-map",
    "draw what a process had in its window over time",
    PID,
    option(
        "--svg",
        metavar="FILE",
        completes="path",
        help="where to (default: memory-PID.svg; - for stdout)",
    ),
    option("--by", choices=("time", "pages"), default="time", help="what goes to the right"),
)
async def memory_map(ctx: Context) -> Outcome:
    from ..memory_map import drawing

    found: PageTable = await ctx.ask("pages", pid=ctx.args.pid)
    picture = drawing(found, by_time=ctx.args.by == "time")
    path = ctx.args.svg or f"memory-{ctx.args.pid}.svg"
    if path == "-" and not ctx.in_session:
        if not ctx.out.as_json:
            sys.stdout.write(picture)
            return Outcome()
        return Outcome({"svg": picture})
    path = os.path.abspath(os.path.expanduser(path))
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(picture)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    return Outcome({"path": path}, path)
