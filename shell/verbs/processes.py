"""The verbs that look at processes: ps, limits."""

from __future__ import annotations

import argparse
import json
import math
import time

from ..arguments import PID, RESOURCES, pid
from ..errors import KernelError
from ..following import EXIT_WORDS
from ..output import count_text, cut, seconds, table
from ..turn import call_text
from ..verb import Context, Outcome, did_you_mean, option, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ...kernel.messages import PageInfo, ProcessInfo

    Cell = Callable[[ProcessInfo], Any]

STATES = ("new", "ready", "running", "blocked", "stopped", "zombie")
NARROWEST_NAME, WIDEST_NAME = 8, 20
WIDTH_OF_REMARK = 18
"""Columns on a terminal: a name makes room for what its process waits for."""


# ---- ps ----------------------------------------------------------------------------------------


def name_of(info: ProcessInfo) -> str:
    return " ".join((info.name or info.program).split())


def tokens_of(info: ProcessInfo) -> int:
    """What limits and budgets count: tokens that the engine had to compute."""
    used = info.usage
    return used.tokens_in - used.tokens_cached + used.tokens_out


def tokens_left(info: ProcessInfo) -> float:
    return math.inf if info.budget is None else max(info.budget - tokens_of(info), 0)


def age_of(info: ProcessInfo) -> float:
    return max(time.time() - info.created, 0)


SORTS: dict[str, Cell] = {
    "pid": lambda info: info.pid,
    "ppid": lambda info: info.parent,
    "group": lambda info: info.group,
    "session": lambda info: info.session,
    "state": lambda info: STATES.index(info.state) if info.state in STATES else len(STATES),
    "age": age_of,
    "nice": lambda info: info.nice,
    "in": lambda info: info.usage.tokens_in,
    "cached": lambda info: info.usage.tokens_cached,
    "out": lambda info: info.usage.tokens_out,
    "calls": lambda info: info.usage.syscalls,
    "tokens": tokens_of,
    "faults": lambda info: info.faults,
    "left": tokens_left,
    "level": lambda info: math.inf if info.level is None else info.level,
    "waited": lambda info: info.queued_s,
    "blocks": lambda info: info.blocks,
    "engine": lambda info: info.usage.engine_s,
    "budget": lambda info: math.inf if info.budget is None else info.budget,
    "limits": lambda info: limits_text(info.limits),
    "evictions": lambda info: info.evictions,
    "hit": lambda info: info.usage.tokens_cached / max(1, info.usage.tokens_in),
    "program": lambda info: info.program,
    "name": name_of,
    "waits": lambda info: _remark(info),
}
"""What `ps --sort` takes."""


SAME = {"ni": "nice", "parent": "ppid", "waits_for": "waits", "hits": "hit", "flushes": "evictions"}
"""Other names of columns."""


def column(text: str, known: Iterable[str] = SORTS) -> str:
    """The column of that name, in whatever case."""
    name = SAME.get(text.lower(), text.lower())
    if name not in known:
        near = did_you_mean(name, known)
        raise argparse.ArgumentTypeError(
            f"there is no column {text!r}{near} (there are {', '.join(known)})"
        )
    return name


def _columns(text: str) -> list[str]:
    return [column(name.strip(), SHOWN) for name in text.split(",")]


def _states(text: str) -> list[str]:
    states = text.lower().split(",")
    for state in states:
        if state not in STATES:
            near = did_you_mean(state, STATES)
            raise argparse.ArgumentTypeError(
                f"{state!r} is not a state{near} (there are {', '.join(STATES)})"
            )
    return states


@verb(
    "ps",
    "list the processes",
    option(
        "-l",
        "--long",
        action="store_true",
        help="group, session, nice, budget, limits, flushes and faults; level, blocks, hit rate",
    ),
    option("-t", "--tree", action="store_true", help="children below their parents"),
    option(
        "--sort", type=column, metavar="COLUMN", completes="column", help=f"by {', '.join(SORTS)}"
    ),
    option(
        *("-o", "--columns"),
        type=_columns,
        metavar="A,B,C",
        completes="column",
        help="these columns, in this order, in place of the usual ones",
    ),
    option("-r", "--reverse", action="store_true", help="the other way round"),
    option(
        "--state",
        type=_states,
        metavar="STATE",
        completes="state",
        help=f"only those: {', '.join(STATES)} (several: a,b)",
    ),
    option(
        "-g",
        "--group",
        type=pid,
        metavar="PID",
        completes="pid",
        help="only those of that process group",
    ),
    option("--session", type=pid, metavar="PID", help="only those of that session"),
    option("--name", metavar="WORDS", help="only those with all of the words in their name"),
)
async def ps(ctx: Context) -> Outcome:
    args = ctx.args
    listed: list[ProcessInfo] = (await ctx.ask("ps")).processes
    words = (args.name or "").lower().split()
    found = [
        info
        for info in listed
        if (args.state is None or info.state in args.state)
        and args.group in (None, info.group)
        and args.session in (None, info.session)
        and all(word in name_of(info).lower() for word in words)
    ]
    if args.sort:
        found.sort(key=SORTS[args.sort])
    if args.reverse:
        found.reverse()
    branches = tree(found) if args.tree else [(info, 0) for info in found]
    document = {"processes": [info for info, _ in branches]}
    if args.columns:
        return Outcome(document, chosen_table(args.columns, branches, ctx.out.width))
    columns = long_columns() if args.long else short_columns(found)
    return Outcome(document, table_of(columns, branches, ctx.out.width))


def tree(processes: list[ProcessInfo]) -> list[tuple[ProcessInfo, int]]:
    """Each process with its depth, parents before their children, siblings in the order given.
    One whose parent is not among them stands at the left."""
    pids = {info.pid for info in processes}
    below: dict[int, list[ProcessInfo]] = {}
    for info in processes:
        below.setdefault(info.parent if info.parent in pids else 0, []).append(info)
    listed: list[tuple[ProcessInfo, int]] = []
    waiting = [(info, 0) for info in reversed(below.get(0, []))]
    while waiting:
        info, depth = waiting.pop()
        listed.append((info, depth))
        waiting += [(child, depth + 1) for child in reversed(below.get(info.pid, []))]
    return listed


def short_columns(processes: list[ProcessInfo]) -> dict[str, Cell]:
    """A column is there when it has something to say."""
    columns: dict[str, Cell] = {
        "PID": lambda info: info.pid,
        "PPID": lambda info: info.parent,
        "STATE": lambda info: info.state,
        "AGE": lambda info: seconds(age_of(info)),
    }
    if any(info.nice for info in processes):
        columns["NI"] = lambda info: info.nice
    columns |= {
        "IN": lambda info: count_text(info.usage.tokens_in),
        "CACHED": lambda info: count_text(info.usage.tokens_cached),
        "OUT": lambda info: count_text(info.usage.tokens_out),
        "CALLS": lambda info: count_text(info.usage.syscalls),
    }
    if any(info.budget is not None for info in processes):
        columns["LEFT"] = _left
    return columns


def long_columns() -> dict[str, Cell]:
    return {
        "PID": lambda info: info.pid,
        "PPID": lambda info: info.parent,
        "GROUP": lambda info: info.group,
        "SESSION": lambda info: info.session,
        "STATE": lambda info: info.state,
        "NICE": lambda info: info.nice,
        "BUDGET": lambda info: "-" if info.budget is None else count_text(info.budget),
        "LEFT": _left,
        "LIMITS": lambda info: limits_text(info.limits) or "-",
        "FLUSHES": lambda info: count_text(info.evictions),
        "FAULTS": lambda info: count_text(info.faults),
        "LEVEL": lambda info: "-" if info.level is None else info.level,
        "BLOCKS": lambda info: count_text(info.blocks),
        "HIT": _hit_rate,
    }


def table_of(
    columns: dict[str, Cell], branches: list[tuple[ProcessInfo, int]], width: int | None
) -> str:
    cells = [[str(cell(info)) for cell in columns.values()] for info, _ in branches]
    names = ["  " * depth + name_of(info) for info, depth in branches]
    if width is not None:
        widths = (max(map(len, column)) for column in zip(columns, *cells, strict=True))
        room = width - sum(one + 2 for one in widths) - 2 - WIDTH_OF_REMARK
        names = [cut(name, max(NARROWEST_NAME, min(room, WIDEST_NAME))) for name in names]
    rows = [
        (*row, name, _remark(info))
        for row, name, (info, _) in zip(cells, names, branches, strict=True)
    ]
    return table((*columns, "NAME", "WAITS FOR"), rows, width)


def chosen_table(
    names: list[str], branches: list[tuple[ProcessInfo, int]], width: int | None
) -> str:
    """The columns that `-o` names. In a tree the name is indented, where there is one."""
    headers, cells = zip(*(SHOWN[name] for name in names), strict=True)
    rows = [
        [
            ("  " * depth if name == "name" else "") + str(cell(info))
            for name, cell in zip(names, cells, strict=True)
        ]
        for info, depth in branches
    ]
    return table(headers, rows, width)


def _hit_rate(info: ProcessInfo) -> str:
    """Of its prompt tokens, what was in the engine's prefix cache."""
    used = info.usage
    return f"{used.tokens_cached / used.tokens_in:.0%}" if used.tokens_in else "-"


def _left(info: ProcessInfo) -> str:
    return "-" if info.budget is None else count_text(tokens_left(info))


def _remark(info: ProcessInfo) -> str:
    """What it waits for, or how it ended; first of all, that it thrashes."""
    if info.exit_status is not None:
        words = EXIT_WORDS.get(info.exit_status)
        return f"exit {info.exit_status}" + (f": {words}" if words else "")
    if info.state == "stopped":
        return f"CONT (cont {info.pid})"
    waits = " ".join(info.waits_for.split())
    if info.state == "ready":
        waits = f"the engine, for {seconds(info.queued_s)}"
    return ", ".join(part for part in ("thrashing!" if info.thrashing else "", waits) if part)


SHOWN: dict[str, tuple[str, Cell]] = {
    "pid": ("PID", lambda info: info.pid),
    "ppid": ("PPID", lambda info: info.parent),
    "group": ("GROUP", lambda info: info.group),
    "session": ("SESSION", lambda info: info.session),
    "state": ("STATE", lambda info: info.state),
    "age": ("AGE", lambda info: seconds(age_of(info))),
    "nice": ("NICE", lambda info: info.nice),
    "in": ("IN", lambda info: count_text(info.usage.tokens_in)),
    "cached": ("CACHED", lambda info: count_text(info.usage.tokens_cached)),
    "out": ("OUT", lambda info: count_text(info.usage.tokens_out)),
    "tokens": ("TOKENS", lambda info: count_text(tokens_of(info))),
    "calls": ("CALLS", lambda info: count_text(info.usage.syscalls)),
    "engine": ("ENGINE", lambda info: seconds(info.usage.engine_s)),
    "budget": ("BUDGET", lambda info: "-" if info.budget is None else count_text(info.budget)),
    "left": ("LEFT", _left),
    "limits": ("LIMITS", lambda info: limits_text(info.limits) or "-"),
    "evictions": ("FLUSHES", lambda info: count_text(info.evictions)),
    "faults": ("FAULTS", lambda info: count_text(info.faults)),
    "level": ("LEVEL", lambda info: "-" if info.level is None else info.level),
    "waited": ("WAITED", lambda info: seconds(info.queued_s) if info.queued_s else "-"),
    "blocks": ("BLOCKS", lambda info: count_text(info.blocks)),
    "hit": ("HIT", _hit_rate),
    "program": ("PROGRAM", lambda info: info.program),
    "name": ("NAME", name_of),
    "waits": ("WAITS FOR", _remark),
}
"""What `ps -o` takes."""


# ---- limits ------------------------------------------------------------------------------------


def limits_text(limits: dict[str, list[float | None]]) -> str:
    """`tokens=1000 wall_s=50:60`, as --limit takes them."""
    return " ".join(
        f"{name}={_bound(soft)}" if soft == hard else f"{name}={_bound(soft)}:{_bound(hard)}"
        for name, (soft, hard) in limits.items()
    )


def _bound(amount: float | None) -> str:
    return "" if amount is None else f"{amount:g}" if amount % 1 else f"{amount:.0f}"


@verb("limits", "what a process may use, and what it has used", PID)
async def limits(ctx: Context) -> Outcome:
    listed: list[ProcessInfo] = (await ctx.ask("ps")).processes
    info = next((one for one in listed if one.pid == ctx.args.pid), None)
    if info is None:
        raise KernelError("ESRCH", f"no process {ctx.args.pid}", "llmos ps lists them")
    used = _used(info, listed)
    document = {"pid": info.pid, "limits": info.limits, "budget": info.budget, "used": used}
    rows = [
        (name, *(_told(name, amount) for amount in (used.get(name), *_bounds(info, name))))
        for name in RESOURCES
    ]
    budget = "-" if info.budget is None else f"{info.budget:,}"
    rows.append(("budget", f"{tokens_of(info):,}", "-", budget))
    return Outcome(document, table(("RESOURCE", "USED", "SOFT", "HARD"), rows, ctx.out.width))


def _used(info: ProcessInfo, listed: Iterable[ProcessInfo]) -> dict[str, float]:
    """As far as the kernel tells it."""
    return {
        "tokens": tokens_of(info),
        "syscalls": info.usage.syscalls,
        "engine_s": round(info.usage.engine_s, 3),
        "wall_s": round(age_of(info), 3),
        "children": sum(one.parent == info.pid for one in listed),
    }


def _bounds(info: ProcessInfo, name: str) -> list[float | None]:
    return info.limits.get(name, [None, None])


def _told(name: str, amount: float | None) -> str:
    if amount is None:
        return "-"
    return seconds(amount) if name.endswith("_s") else f"{amount:,.0f}"


# ---- pages -------------------------------------------------------------------------------------


def page_text(page: PageInfo) -> str:
    """One page as `logs` and a replay show it. The text is still as foreign as it came."""
    away = "" if page.resident else ", swapped out"
    head = f"[{page.vpn}] {page.role}  ({page.num_tokens:,} tokens{away})"
    calls = ["· " + call_text(*named_call(call)) for call in page.calls]
    return "\n".join([head, *([page.text.rstrip()] if page.text.strip() else []), *calls])


def named_call(call: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a page's call; the latter are JSON text as the model wrote it."""
    arguments = call.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError:
            arguments = {"": arguments}
    return str(call.get("name", "?")), arguments if isinstance(arguments, dict) else {"": arguments}
