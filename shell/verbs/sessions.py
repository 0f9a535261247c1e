"""The verbs about conversations: sessions, search, resume."""

from __future__ import annotations

import argparse
import sys
import time

from ..arguments import UNITS_S
from ..continuing import ago, begins_text, resume
from ..errors import UsageError
from ..output import harmless, paint, table
from ..transcript import feedback_text, moment
from ..turn import call_text
from ..verb import Context, Outcome, did_you_mean, option, verb, words
from .boot import OPTIONS, boot_if_need_be
from .export import whole
from .processes import named_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from ...kernel.messages import ConversationInfo, FoundPage, SaidPage

    Action = Callable[[Context, list[str]], Coroutine[Any, Any, Outcome]]

SHOWN = 20
DAY_S = 86400.0
ROLES = {"user": "user", "agent": "assistant", "assistant": "assistant", "tool": "tool"}


# ---- what they take ----------------------------------------------------------------------------


def _moment(text: str) -> float:
    """`2026-05-08`, `2026-05-08T14:30`, `today`, `yesterday`, or how long ago: `90m`, `12h`, `7d`;
    as Unix seconds, in the time of this machine."""
    units = UNITS_S | {"d": DAY_S, "w": 7 * DAY_S}
    number, unit = text[:-1], units.get(text[-1:].lower())
    if unit is not None and number.isdecimal():
        return time.time() - int(number) * unit
    if text in ("today", "yesterday"):
        today = time.localtime(time.time() - (DAY_S if text == "yesterday" else 0))
        return time.mktime((*today[:3], 0, 0, 0, 0, 0, -1))
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"):
        try:
            return time.mktime(time.strptime(text, form))
        except (ValueError, OverflowError):
            continue
    raise argparse.ArgumentTypeError(
        f"{text!r} is no time (try 2026-05-08, today, yesterday, 12h or 7d)"
    )


def _role(text: str) -> str:
    if text not in ROLES:
        raise argparse.ArgumentTypeError(f"{text!r} is not user, agent or tool")
    return ROLES[text]


FILTERS = (
    option("-a", "--all", action="store_true", help="those that agents began, too"),
    option("-n", type=int, metavar="N", default=SHOWN, help="at most N, 0 for all (default: 20)"),
)
SEARCHING = (
    option("--since", type=_moment, metavar="TIME", help="from then on: 2026-05-08, today, 7d"),
    option("--before", type=_moment, metavar="TIME", help="and before then"),
    option("--role", type=_role, metavar="ROLE", help="said by user, agent or tool"),
    option("--newest", action="store_true", help="the newest first (default: the best first)"),
)


# ---- verbs -------------------------------------------------------------------------------------


@verb(
    "sessions",
    "list conversations, past and present; show, remove or search them",
    words("what", "show ID, rm ID …, search WORDS; nothing lists them"),
    option("--here", action="store_true", help="only those of this folder"),
    *FILTERS,
    *SEARCHING,
)
async def sessions(ctx: Context) -> Outcome:
    if not ctx.args.what:
        return await _list(ctx)
    action, *rest = ctx.args.what
    if action not in ACTIONS:
        raise UsageError(
            f"sessions does not know {action!r}{did_you_mean(action, ACTIONS)}",
            "sessions, sessions show ID, sessions rm ID, sessions search WORDS",
        )
    if not rest:
        raise UsageError(f"sessions {action}: of which?", "llmos sessions lists them")
    return await ACTIONS[action](ctx, rest)


@verb(
    "search",
    "find what was said in any conversation, by its words",
    words("query", 'all of these words; "these together", and word* for those that begin so'),
    *FILTERS,
    *SEARCHING,
)
async def search(ctx: Context) -> Outcome:
    if not ctx.args.query:
        raise UsageError("search for which words?", 'llmos search budget "next year"')
    return await _search(ctx, ctx.args.query)


@verb(
    "resume",
    "go on with a conversation in the interactive shell",
    option(
        "resume",
        nargs="?",
        metavar="ID",
        completes="session",
        help="its number or a pid, its name, or how it begins (default: the newest)",
    ),
    *OPTIONS,
)
async def resume_(ctx: Context) -> Outcome:
    if not ctx.in_session:
        if not (sys.stdin.isatty() and ctx.out.is_tty) or ctx.out.as_json:
            raise UsageError("resume needs a terminal", 'llmos run -r ID "…" needs none')
        await boot_if_need_be(ctx)
    resumed = await resume(ctx)
    return await ctx.enter(resumed.pid, own=not resumed.lives)


# ---- the list ----------------------------------------------------------------------------------


async def _list(ctx: Context) -> Outcome:
    args = ctx.args
    root = None
    if args.here:
        from ..arguments import root_of

        root = root_of(None)
    listed = await ctx.ask("conversations", root=root, limit=max(args.n, 0), all=args.all)
    found: list[ConversationInfo] = listed.conversations
    if listed.more and not ctx.out.as_json:
        ctx.out.note(f"({listed.more} more: -n 0 lists all)")
    rows = [
        (
            str(info.id),
            f"{ago(info.last)} ago",
            _state(info),
            str(info.turns),
            _verdicts(info),
            info.root,
            begins_text(info),
        )
        for info in found
    ]
    header = ("ID", "LAST", "STATE", "TURNS", "FEEDBACK", "FOLDER", "BEGINS")
    return Outcome(listed, table(header, rows, ctx.out.width) if rows else "")


def _state(info: ConversationInfo) -> str:
    if info.state == "ended":
        return "ended" if info.exit_status == 0 else f"ended ({info.exit_status})"
    return f"{info.state}, {info.pid}"


def _verdicts(info: ConversationInfo) -> str:
    counts = ((info.good, "good"), (info.bad, "bad"))
    return ", ".join(f"{count} {word}" for count, word in counts if count) or "-"


# ---- one of them -------------------------------------------------------------------------------


async def _show(ctx: Context, rest: list[str]) -> Outcome:
    info, pages = await whole(ctx, " ".join(rest))
    head = (
        f"conversation {info.id}: {_state(info)}, {info.turns} turns, {info.root}\n"
        f"{moment(info.began)} to {moment(info.last)}, processes {', '.join(map(str, info.pids))}"
    )
    text = "\n\n".join([head, *(_page_text(page) for page in pages)])
    return Outcome({"conversation": info, "pages": pages}, text)


def _page_text(page: SaidPage) -> str:
    cut_off = ", cut off" if page.interrupted else ""
    lines = [f"[{page.page}] {page.role}  ({moment(page.created)}{cut_off})"]
    if page.text.strip():
        lines.append(page.text.rstrip())
    lines += ["· " + call_text(*named_call(call)) for call in page.calls]
    if page.feedback is not None:
        lines.append(f"feedback: {feedback_text(page.feedback)}")
    return "\n".join(lines)


async def _remove(ctx: Context, rest: list[str]) -> Outcome:
    removed = [await ctx.ask("remove_conversation", which=which) for which in rest]
    text = "\n".join(f"removed conversation {one.id}" for one in removed)
    return Outcome({"removed": removed}, text)


# ---- searching ---------------------------------------------------------------------------------


async def _search(ctx: Context, rest: list[str]) -> Outcome:
    args = ctx.args
    # Of several words of the line, one with a space in it was in quotation marks.
    query = " ".join(f'"{word}"' if " " in word and len(rest) > 1 else word for word in rest)
    found = await ctx.ask(
        "search_conversations",
        query=query,
        roles=[args.role] if args.role else [],
        since=args.since,
        before=args.before,
        order="newest" if args.newest else "rank",
        limit=max(args.n, 0),
        all=args.all,
    )
    hits: list[FoundPage] = found.hits
    if not hits and not ctx.out.as_json:
        ctx.out.note("nothing was found")
    if not ctx.out.as_json and hits:
        for hit in hits:  # painted, and so not passed on to be made harmless
            sys.stdout.write(_hit_text(hit) + "\n")
    return Outcome(found)


def _hit_text(hit: FoundPage) -> str:
    who = "agent" if hit.role == "assistant" else hit.role
    head = f"{hit.conversation} [{hit.page}] {who}, {moment(hit.created)}, {hit.root}"
    return f"{paint(harmless(head), 'dim', sys.stdout)}\n  {_highlighted(hit)}"


def _highlighted(hit: FoundPage) -> str:
    parts, end = [], 0
    for start, stop in hit.matches:
        parts.append(harmless(hit.excerpt[end:start]))
        parts.append(paint(harmless(hit.excerpt[start:stop]), "bold", sys.stdout))
        end = stop
    return "".join([*parts, harmless(hit.excerpt[end:])])


ACTIONS: dict[str, Action] = {"show": _show, "rm": _remove, "search": _search}
