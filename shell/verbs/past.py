"""The verbs that tell what processes did: logs, history."""

from __future__ import annotations

import argparse
import time

from ..arguments import PID, duration
from ..errors import Interrupted, ShellError, UsageError
from ..following import status_text
from ..output import count_text, harmless, one_line, seconds, table
from ..turn import call_text
from ..verb import Context, Outcome, did_you_mean, option, verb
from .processes import page_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...kernel.messages import PageInfo, PastTurn, ProcessHistory, ProcessInfo

SUPERVISOR = "supervisor"
ROLES = ("user", "assistant", "tool")
WIDEST_WORDS = 60
MOST_NAMES = 3
DAY_S = 86_400

MARKS = {"done": "done", "interrupted": "interrupted", "running": "under way"}


def roles(text: str) -> list[str]:
    given = text.lower().split(",")
    for role in given:
        if role not in ROLES:
            near = did_you_mean(role, ROLES)
            raise argparse.ArgumentTypeError(
                f"{role!r} is not a role{near} (there are {', '.join(ROLES)})"
            )
    return given


def since(text: str) -> float:
    """Unix seconds: so long ago (`5m`, `2h`), a time of today (`14:30`), or a day (`2026-05-08`, or
    `2026-05-08 14:30`)."""
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"):
        try:
            return time.mktime(time.strptime(text, form))
        except ValueError:
            pass
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            clock = time.strptime(text, form)
        except ValueError:
            continue
        today = time.localtime()
        return time.mktime((*today[:3], *clock[3:6], 0, 0, -1))
    try:
        return time.time() - duration(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time (try 5m, 14:30 or 2026-05-08)"
        ) from None


# ---- logs --------------------------------------------------------------------------------------


@verb(
    "logs",
    "show all that a process read and said; of a team its diary and its units' answers",
    option("process", metavar="PID|NAME", completes="pid", help="a process, by its pid or name"),
    option("-f", "--follow", action="store_true", help="go on with what comes, until it ends"),
    option("-n", type=int, metavar="N", help="only the last N pages"),
    option(
        "--since", type=since, metavar="TIME", help="only from then on: 5m, 14:30, 2026-05-08"
    ),
    option(
        "--role", type=roles, metavar="ROLE", completes="role",
        help=f"only those of: {', '.join(ROLES)} (several: a,b)",
    ),
)  # fmt: skip
async def logs(ctx: Context) -> Outcome:
    pid, name, program = await named(ctx, ctx.args.process)
    if program == SUPERVISOR:
        from ..team_log import team_logs

        return await team_logs(ctx, pid, name)
    if ctx.args.follow:
        return await _follow(ctx, pid)
    pages = _chosen(ctx, (await ctx.ask("logs", pid=pid)).pages)
    if ctx.args.n is not None:
        pages = _last(pages, ctx.args.n)
    return Outcome({"pages": pages}, "\n\n".join(page_text(page) for page in pages))


async def named(ctx: Context, which: str) -> tuple[int, str, str]:
    """Its pid, name and program. Of several with that name those that live go first. Raises
    UsageError if there are several still, ShellError if there is none, ESRCH for a pid that never
    was."""
    listed: list[ProcessInfo] = (await ctx.ask("ps")).processes
    if which.isdecimal():
        for info in listed:
            if info.pid == int(which):
                return info.pid, info.name or info.program, info.program
        past: ProcessHistory = await ctx.ask("history", pid=int(which))
        return past.pid, past.name, past.program
    found = [info for info in listed if info.name == which]
    found = [info for info in found if info.exit_status is None] or found
    if len(found) > 1:
        pids = ", ".join(str(info.pid) for info in found)
        raise UsageError(f"several processes are called {which}: {pids}", "say which by its pid")
    if not found:
        near = did_you_mean(which, {info.name or info.program for info in listed})
        hint = "llmos ps lists those that are; of one that is gone the pid is known still"
        raise ShellError(f"there is no process {which}{near}", hint)
    return found[0].pid, which, found[0].program


def _chosen(ctx: Context, pages: Sequence[PageInfo]) -> list[PageInfo]:
    args = ctx.args
    return [
        page
        for page in pages
        if (args.role is None or page.role in args.role)
        and (args.since is None or page.created >= args.since)
    ]


def _last(pages: list[PageInfo], number: int) -> list[PageInfo]:
    return pages[-number:] if number > 0 else []


async def _follow(ctx: Context, pid: int) -> Outcome:
    """What is there, and then each page as it is written, until the process ends or Ctrl-C."""
    shown = 0
    ctx.out.as_lines = True
    looking = await ctx.ask("look_on", pids=[pid], what="pages")
    found = await ctx.ask("logs", pid=pid)
    pages = _chosen(ctx, found.pages)
    shown += _show(ctx, pages if ctx.args.n is None else _last(pages, ctx.args.n), shown)
    after, image, over = len(found.pages), found.image, False
    try:
        while not over:
            over = (await ctx.ask("look", onlooker=looking.onlooker)).over
            found = await ctx.ask("logs", pid=pid, first=after)
            if found.image != image:  # it called exec, and its pages are counted from 0 again
                after, image = 0, found.image
                found = await ctx.ask("logs", pid=pid)
            shown += _show(ctx, _chosen(ctx, found.pages), shown)
            after += len(found.pages)
    except (Interrupted, KeyboardInterrupt):
        pass
    return Outcome({"pid": pid, "pages": shown})


def _show(ctx: Context, pages: Sequence[PageInfo], shown: int) -> int:
    """Pages, as text or a JSON document a line; how many."""
    for number, page in enumerate(pages, shown):
        if ctx.out.as_json:
            ctx.out.document(dict(page))  # type: ignore[call-overload]
        else:
            ctx.out.line(("\n" if number else "") + page_text(page))
    return len(pages)


# ---- history -----------------------------------------------------------------------------------


@verb(
    "history",
    "show what a process did, turn by turn: calls, tokens, time, outcome",
    PID,
    option("-n", type=int, metavar="N", help="only the last N turns"),
    option("-l", "--long", action="store_true", help="with each call and the answer"),
)
async def history(ctx: Context) -> Outcome:
    found: ProcessHistory = await ctx.ask("history", pid=ctx.args.pid)
    turns = found.turns
    if ctx.args.n is not None:
        turns = turns[-ctx.args.n :] if ctx.args.n > 0 else []
    document = {
        "pid": found.pid,
        "name": found.name,
        "program": found.program,
        "status": found.status,
        "turns": turns,
    }
    text = _long(turns) if ctx.args.long else _table(turns, ctx.out.width)
    if found.status is not None:
        text += f"\n\nexited with {status_text(found.status)}"
    return Outcome(document, text)


def _table(turns: Sequence[PastTurn], width: int | None) -> str:
    header = ("TIME", "CALLS", "IN", "CACHED", "OUT", "TOOK", "OUTCOME", "MESSAGE", "SYSCALLS")
    rows = [
        (
            when(turn.at),
            str(len(turn.calls)),
            _count(turn.tokens_in),
            _count(turn.tokens_cached),
            _count(turn.tokens_out),
            seconds(turn.duration_s),
            outcome(turn),
            one_line(turn.begins, 30 if width is not None else WIDEST_WORDS) or "-",
            _names(turn),
        )
        for turn in turns
    ]
    return table(header, rows, width)


def when(at: float) -> str:
    """The time of the day, and the day if it was another one."""
    recent = abs(time.time() - at) < DAY_S
    return time.strftime("%H:%M:%S" if recent else "%Y-%m-%d %H:%M", time.localtime(at))


def _count(number: int | None) -> str:
    return "-" if number is None else count_text(number)


def outcome(turn: PastTurn) -> str:
    """`done`, `2 errors`, `interrupted`; whose it was, if it was another process's."""
    words = "before the fork" if turn.inherited else MARKS[turn.outcome]
    errors = sum(bool(call.errno) for call in turn.calls)
    return f"{words}, {errors} error{'s' * (errors > 1)}" if errors else words


def _names(turn: PastTurn) -> str:
    """`list_files, read_file (3)`, in the order of their first call."""
    times: dict[str, int] = {}
    for call in turn.calls:
        times[call.name] = times.get(call.name, 0) + 1
    told = [f"{name} ({count})" if count > 1 else name for name, count in times.items()]
    more = f", {len(told) - MOST_NAMES} more" if len(told) > MOST_NAMES else ""
    return ", ".join(told[:MOST_NAMES]) + more


def _long(turns: Sequence[PastTurn]) -> str:
    return "\n\n".join(_told(turn) for turn in turns)


def _told(turn: PastTurn) -> str:
    tokens = ", ".join(
        f"{_count(number)} {word}"
        for number, word in (
            (turn.tokens_in, "in"),
            (turn.tokens_cached, "cached"),
            (turn.tokens_out, "out"),
        )
    )
    took = seconds(turn.duration_s)
    lines = [f"{when(turn.at)}  {outcome(turn)}, {took}, tokens: {tokens}"]
    lines += [f"> {one_line(turn.begins, 200)}"] if turn.begins else []
    for call in turn.calls:
        verdict = one_line(call.text, WIDEST_WORDS) if call.errno else f"{call.size:,} chars"
        came = verdict if call.duration_s is not None else "no result"
        lines.append(f"· {call_text(call.name, call.arguments)}  {came}")
    lines += [harmless(turn.answer).rstrip()] if turn.answer.strip() else []
    return "\n".join(lines)
