"""What `top` shows of a reading: which rows in which order, which columns fit, and the gauges.

Nothing here knows of a screen: `batch` and `app` draw the same.
"""

from __future__ import annotations

import math

from ..output import count_text, cut, harmless, seconds, width_of
from ..verbs.processes import STATES, tree
from .reading import Reading, Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

GAP = 1
"""Columns of a terminal between two of ours."""


# ---- columns -----------------------------------------------------------------------------------


class Column:
    """One column: its name for `--sort`, its header, how wide it is, how soon it is left out (the
    lowest `rank` first), what it says of a row, and by what it sorts. One that `falls` begins with
    the largest."""

    __slots__ = ("falls", "header", "key", "name", "rank", "text", "to_right", "width", "words")

    def __init__(
        self,
        name: str,
        header: str,
        width: int,
        rank: int,
        text: Callable[[Row], str],
        key: Callable[[Row], Any],
        words: str,
        *,
        falls: bool = False,
        to_right: bool = True,
    ) -> None:
        self.name, self.header, self.width, self.rank = name, header, width, rank
        self.text, self.key, self.words = text, key, words
        self.falls, self.to_right = falls, to_right

    def cell(self, row: Row, width: int) -> str:
        return fitted(self.text(row), width, to_right=self.to_right)

    def head(self, width: int) -> str:
        return fitted(self.header, width, to_right=self.to_right)


def _state(row: Row) -> str:
    return f"{row.info.state}!" if row.info.thrashing else str(row.info.state)


def _waits_for(row: Row) -> str:
    info = row.info
    return f"exit {info.exit_status}" if info.exit_status is not None else row.waits_for


def _short(duration_s: float) -> str:
    return (
        "-" if not duration_s else f"{duration_s:.1f}s" if duration_s < 60 else f"{duration_s:.0f}s"
    )


def _kv(row: Row) -> int:
    """What the engine has of it; of an engine that does not tell, what is reckoned with."""
    info = row.info
    return info.blocks if info.kv_blocks is None else info.kv_blocks


COLUMNS = (
    Column("pid", "PID", 5, 100, lambda r: str(r.info.pid), lambda r: r.info.pid, "the process"),
    Column(
        *("session", "SESS", 5, 40, lambda r: str(r.info.session), lambda r: r.info.session),
        "its session",
    ),
    Column(
        *("state", "STATE", 8, 95, _state),
        lambda r: STATES.index(r.info.state) if r.info.state in STATES else len(STATES),
        "what it does; ! if it thrashes",
        to_right=False,
    ),
    Column(
        "nice", "NI", 3, 50, lambda r: str(r.info.nice), lambda r: r.info.nice, "how nice it is"
    ),
    Column(
        *("rate", "TOK/S", 6, 90, lambda r: "-" if r.rate is None else f"{r.rate:.1f}"),
        lambda r: r.rate or 0.0,
        "tokens that it generates in a second",
        falls=True,
    ),
    Column(
        *("tokens", "TOKENS", 6, 45, lambda r: count_text(r.tokens), lambda r: r.tokens),
        "tokens that the engine has computed for it",
        falls=True,
    ),
    Column(
        *("kv", "KV", 4, 80, lambda r: str(_kv(r)), _kv),
        "blocks of the engine's KV cache that it has now",
        falls=True,
    ),
    Column(
        *("hit", "HIT", 4, 75, lambda r: "-" if r.hit is None else f"{r.hit:.0%}"),
        lambda r: -1.0 if r.hit is None else r.hit,
        "of its prompt tokens, what was in the engine's prefix cache",
        falls=True,
    ),
    Column(
        *("left", "LEFT", 6, 70),
        lambda r: "-" if r.info.tokens_left is None else count_text(r.info.tokens_left),
        lambda r: math.inf if r.info.tokens_left is None else r.info.tokens_left,
        "what is left of its budget, in tokens",
    ),
    Column(
        *("level", "LV", 2, 55, lambda r: "-" if r.info.level is None else str(r.info.level)),
        lambda r: math.inf if r.info.level is None else r.info.level,
        "its level in the scheduler's policy",
    ),
    Column(
        *("queued", "QUEUED", 6, 60, lambda r: _short(r.info.queued_s), lambda r: r.info.queued_s),
        "for how long it has waited for the engine",
        falls=True,
    ),
    Column(
        *("faults", "FLT", 4, 35, lambda r: count_text(r.info.faults), lambda r: r.info.faults),
        "pages that came back into its window",
        falls=True,
    ),
    Column(
        *("evictions", "EVI", 4, 30),
        lambda r: count_text(r.info.evictions),
        lambda r: r.info.evictions,
        "how many times its window was flushed",
        falls=True,
    ),
    Column(
        *("waits", "WAITS FOR", 9, 85, _waits_for, _waits_for),
        "the syscall that it is in, or what else it waits for",
        to_right=False,
    ),
    Column(
        *("name", "NAME", 10, 98, lambda r: r.name, lambda r: r.name), "its name", to_right=False
    ),
)
BY_NAME = {column.name: column for column in COLUMNS}
FLEXIBLE = ("waits", "name")
"""They share the room that the others leave."""


def layout(width: int) -> list[tuple[Column, int]]:
    """The columns that fit into so many columns of a terminal, each with its own width."""
    chosen: set[str] = set()
    left = width + GAP
    for column in sorted(COLUMNS, key=lambda one: -one.rank):
        if column.width + GAP > left:
            break
        chosen.add(column.name)
        left -= column.width + GAP
    widths = {column.name: column.width for column in COLUMNS if column.name in chosen}
    growing = [name for name in FLEXIBLE if name in chosen]
    for index, name in enumerate(growing):
        share = left // (len(growing) - index)
        widths[name] += share
        left -= share
    return [
        (BY_NAME[name], widths[name]) for name in (one.name for one in COLUMNS) if name in chosen
    ]


def fitted(text: str, width: int, *, to_right: bool = False) -> str:
    """Exactly so many columns of a terminal, whatever the text holds."""
    shown = cut(harmless(text).replace("\n", " ").replace("\t", " "), width)
    space = " " * (width - width_of(shown))
    return space + shown if to_right else shown + space


# ---- rows --------------------------------------------------------------------------------------


class View:
    """What the user has chosen to see."""

    def __init__(
        self, sort: str = "rate", *, reverse: bool = False, filter: str = "", tree: bool = False
    ) -> None:
        self.sort = sort
        self.reverse = reverse
        self.filter = filter
        self.tree = tree

    def rows(self, reading: Reading) -> list[tuple[Row, int]]:
        """Those that are to be seen, in their order, each with its depth in the tree."""
        found = [row for row in reading.rows if self._shows(row)]
        column = BY_NAME[self.sort]
        found.sort(key=lambda row: row.info.pid)
        found.sort(key=column.key, reverse=column.falls != self.reverse)
        if not self.tree:
            return [(row, 0) for row in found]
        by_pid = {row.info.pid: row for row in found}
        return [(by_pid[info.pid], depth) for info, depth in tree([row.info for row in found])]

    def _shows(self, row: Row) -> bool:
        """Every word of the filter is in its pid, name, state or what it waits for."""
        if not self.filter:
            return True
        text = f"{row.info.pid} {row.name} {row.info.state} {_waits_for(row)}".lower()
        return all(word in text for word in self.filter.lower().split())

    @property
    def words(self) -> str:
        """The choice, for a line of status."""
        order = " reversed" if self.reverse else ""
        parts = [f"sorted by {self.sort}{order}", *(["tree"] if self.tree else [])]
        return ", ".join([*parts, *([f"filter {harmless(self.filter)!r}"] if self.filter else [])])


def line(row: Row, depth: int, columns: Sequence[tuple[Column, int]]) -> str:
    cells = []
    for column, width in columns:
        if column.name == "name" and depth:
            cells.append(fitted("  " * depth + row.name, width))
        else:
            cells.append(column.cell(row, width))
    return (" " * GAP).join(cells)


def header(columns: Sequence[tuple[Column, int]]) -> str:
    return (" " * GAP).join(column.head(width) for column, width in columns)


# ---- gauges ------------------------------------------------------------------------------------


def gauges(reading: Reading) -> list[tuple[str, str]]:
    """(name, words) a line, the most telling first."""
    info = reading.info
    return [
        ("engine", _engine(reading)),
        ("tokens", _tokens(reading)),
        ("KV", _cache(reading)),
        ("queue", _queue(info.queue)),
        ("tasks", _tasks(reading)),
        ("kernel", _kernel(reading)),
    ]


def _engine(reading: Reading) -> str:
    engine, load = reading.info.engine, reading.info.load
    detail = f": {engine.detail}" if engine.detail and engine.state != "ready" else ""
    inside = f", {load.running} in it, {load.waiting} wait in it" if load is not None else ""
    return harmless(f"{engine.state}{detail}{inside}, {engine.model}")


def _tokens(reading: Reading) -> str:
    if reading.in_rate is None or reading.out_rate is None:
        totals = reading.info.totals
        return f"{count_text(totals.tokens_in)} in, {count_text(totals.tokens_out)} out since boot"
    return f"{reading.in_rate:,.1f} in/s, {reading.out_rate:,.1f} out/s"


def _cache(reading: Reading) -> str:
    hit = "-" if reading.hit_rate is None else f"{reading.hit_rate:.0%}"
    load, blocks = reading.info.load, reading.info.queue.blocks
    if load is not None and load.blocks_total:
        used, total = load.blocks_used, load.blocks_total
    elif blocks is not None:
        used, total = blocks.total - blocks.free, blocks.total
    else:
        return f"the engine does not tell, prefix hits {hit}"
    return f"{bar(used / total)} {used:,} of {total:,} blocks, prefix hits {hit}"


def bar(share: float, width: int = 10) -> str:
    """`[|||       ]`; anything at all is at least one stroke."""
    filled = min(width, math.ceil(share * width)) if share > 0 else 0
    return f"[{'|' * filled:<{width}}]"


def _queue(queue: Any) -> str:
    levels = ", ".join(f"level {one.level}: {one.waiting}" for one in queue.levels if one.waiting)
    waits = f"{queue.waiting} wait" + (f" ({levels})" if levels else "")
    return f"{queue.running} of {queue.slots} slots taken, {waits}, {queue.policy}"


def _tasks(reading: Reading) -> str:
    counts = ((state, reading.count(state)) for state in STATES)
    told = ", ".join(f"{count} {state}" for state, count in counts if count)
    return f"{len(reading.rows)}: {told}" if told else "0"


def _kernel(reading: Reading) -> str:
    resident, evicted = reading.pages
    info = reading.info
    return (
        f"up {seconds(info.uptime_s)}, {info.memory_bytes / 1e6:,.0f} MB,"
        f" pages {count_text(resident)} resident, {count_text(evicted)} evicted"
    )
