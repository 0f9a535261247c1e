"""A reading of the kernel, and what it says beside the one before: rates need two."""

from __future__ import annotations

from ..verbs.processes import name_of, tokens_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...kernel.messages import TopInfo, TopRow


class Row:
    """A process of one reading. `rate` is the tokens that it generated in a second, None if that
    cannot be known; `hit` the share of its prompt tokens that the engine had in its prefix cache,
    None before the first."""

    __slots__ = ("hit", "info", "name", "rate", "tokens", "waits_for")

    def __init__(self, info: TopRow, rate: float | None) -> None:
        used = info.usage
        self.info = info
        self.rate = rate
        self.name = name_of(info)
        self.tokens = tokens_of(info)
        self.hit = used.tokens_cached / used.tokens_in if used.tokens_in else None
        self.waits_for = info.syscall or " ".join(info.waits_for.split())

    def document(self) -> dict[str, Any]:
        """As scripts read it: the kernel's row with what was worked out here."""
        info: Any = self.info
        return {**info, "tokens_per_s": _rounded(self.rate), "hit_rate": _rounded(self.hit)}


class Reading:
    """All of one moment. `interval_s` is the time since the reading before, 0 without one."""

    def __init__(self, info: TopInfo, before: Reading | None = None) -> None:
        if before is not None and not _same_life(info, before.info):
            before = None
        self.info: TopInfo = info
        self.interval_s: float = info.taken - before.info.taken if before is not None else 0.0
        said = before.said if before is not None and self.interval_s > 0 else None
        before_taken = before.info.taken if before is not None else 0.0
        self.said: dict[int, int] = {}
        self.rows: list[Row] = []
        processes: Any = info.processes  # records by now, and no columns
        for process in processes:
            pid, out = process.pid, process.usage.tokens_out
            self.said[pid] = out
            rate = None
            if said is not None and (pid in said or process.created >= before_taken):
                rate = (out - said.get(pid, 0)) / self.interval_s
            self.rows.append(Row(process, rate))
        self.in_rate, self.out_rate = self._rates(before)

    def _rates(self, before: Reading | None) -> tuple[float | None, float | None]:
        """Prompt tokens, and tokens generated, of the whole engine in a second."""
        if before is None or self.interval_s <= 0:
            return None, None
        now, then = self.info.totals, before.info.totals
        return (
            (now.tokens_in - then.tokens_in) / self.interval_s,
            (now.tokens_out - then.tokens_out) / self.interval_s,
        )

    @property
    def hit_rate(self) -> float | None:
        """Of all prompt tokens since boot."""
        totals = self.info.totals
        return totals.tokens_cached / totals.tokens_in if totals.tokens_in else None

    def count(self, state: str) -> int:
        return sum(row.info.state == state for row in self.rows)

    @property
    def num_waiting(self) -> int:
        """Processes that wait for something else than the engine."""
        return self.count("blocked")

    @property
    def pages(self) -> tuple[int, int]:
        """(resident, evicted) of all processes; one that several share counts with each."""
        evicted = sum(row.info.pages_evicted for row in self.rows)
        return sum(row.info.pages for row in self.rows) - evicted, evicted

    def document(self, rows: list[Row]) -> dict[str, Any]:
        """As scripts read it, with these of its rows."""
        resident, evicted = self.pages
        info: Any = self.info
        engine = {
            **info.engine,
            "tokens_in_per_s": _rounded(self.in_rate),
            "tokens_out_per_s": _rounded(self.out_rate),
            "hit_rate": _rounded(self.hit_rate),
        }
        return {
            **{key: info[key] for key in ("taken", "version", "os_pid", "uptime_s")},
            **{"interval_s": round(self.interval_s, 3), "memory_bytes": info.memory_bytes},
            **{"engine": engine, "totals": info.totals, "load": info.load, "queue": info.queue},
            "pages": {"resident": resident, "evicted": evicted},
            "processes": [row.document() for row in rows],
        }


def _same_life(now: Any, then: Any) -> bool:
    """Of the same kernel, and not of one that was halted meanwhile?"""
    return bool(now.os_pid == then.os_pid and now.uptime_s >= then.uptime_s)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
