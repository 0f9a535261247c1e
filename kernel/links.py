"""Links: processes that share their fate, after those of Erlang.

When one of two ends with a status other than 0, the other gets TERM, and its output says why. An
end with 0 ends the link and nothing else.

A link is two rows, one for each side, in the same journal as the processes. The row of a side whose
partner has failed keeps the partner's status: it is both the reason, for the output, and the proof
after a crash that the TERM is still to be delivered. Which ends come before a link and which after
is decided by the order of the transactions, so the statements look at the journal, not at memory.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable

from ..memory.swap import Statement
from .process import EXIT_OK, Process
from .signals import Signal
from .table import ProcessTable

SCHEMA = """
CREATE TABLE IF NOT EXISTS link (
    pid INTEGER NOT NULL,
    partner INTEGER NOT NULL,
    status INTEGER,
    PRIMARY KEY (pid, partner)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_partner ON link (partner);
"""

Change = tuple[list[Statement], Callable[[], None]]
"""What goes to the journal, and what it means for memory."""


class Links:
    """Who is linked to whom. Processes that never were cost nothing at their end."""

    def __init__(self) -> None:
        self._partners: defaultdict[int, dict[int, Process]] = defaultdict(dict)
        self._reasons: dict[int, str] = {}
        self._ever: set[int] = set()  # may have a row in the journal

    def adopt(self, rows: Iterable[tuple[int, int, int | None]], table: ProcessTable) -> None:
        """Take over what the journal holds; deliver what a crash has kept from being."""
        for pid, partner_pid, status in rows:
            process, partner = table.get(pid), table.get(partner_pid)
            self._ever.add(pid)
            if process is None or not process.alive:
                continue
            if status is not None:
                self._fall(process, partner_pid, status)
            elif partner is not None:
                self._partners[pid][partner_pid] = partner

    def of(self, pid: int) -> list[int]:
        """The pids that a process is linked to."""
        return sorted(self._partners.get(pid, ()))

    def join(self, one: Process, other: Process) -> Change:
        """Link two processes. One that has ended by then counts as if it ended just after."""
        both = (one.pid, other.pid)
        self._ever.update(both)  # before the commit: an end in between must look at the rows

        def take_place() -> None:
            if one.alive and other.alive:
                self._partners[one.pid][other.pid] = other
                self._partners[other.pid][one.pid] = one
            for ended, left in ((one, other), (other, one)):
                if ended.exit is not None and ended.exit.status != EXIT_OK and left.alive:
                    self._fall(left, ended.pid, ended.exit.status)

        statements: list[Statement] = [
            ("INSERT OR IGNORE INTO link VALUES (?, ?, NULL)", both),
            ("INSERT OR IGNORE INTO link VALUES (?, ?, NULL)", both[::-1]),
            (
                "UPDATE link SET status ="
                " (SELECT exit_status FROM process WHERE process.pid = link.partner)"
                " WHERE pid IN (?, ?) AND status IS NULL",
                both,
            ),
            (
                "DELETE FROM link WHERE pid IN (?, ?) AND (status = 0 OR EXISTS (SELECT 1 FROM"
                " process WHERE process.pid = link.pid AND exit_status IS NOT NULL))",
                both,
            ),
        ]
        return statements, take_place

    def part(self, one: Process, other: Process) -> Change:
        """End a link, if there is one. A TERM that is under way stays."""

        def take_place() -> None:
            self._partners.get(one.pid, {}).pop(other.pid, None)
            self._partners.get(other.pid, {}).pop(one.pid, None)

        both = (one.pid, other.pid)
        statement = "DELETE FROM link WHERE pid = ? AND partner = ? AND status IS NULL"
        return [(statement, both), (statement, both[::-1])], take_place

    # ---- the end of a process -------------------------------------------------------------

    def end(self, pid: int, status: int) -> list[Statement]:
        """For the transaction in which a process ends."""
        if pid not in self._ever:
            return []
        if status == EXIT_OK:
            return [("DELETE FROM link WHERE pid = ? OR partner = ?", (pid, pid))]
        return [
            ("DELETE FROM link WHERE pid = ?", (pid,)),
            ("UPDATE link SET status = ? WHERE partner = ? AND status IS NULL", (status, pid)),
        ]

    def ended(self, pid: int, status: int) -> None:
        """The same in memory: those who were linked are told."""
        self._ever.discard(pid)
        self._reasons.pop(pid, None)
        for partner in self._partners.pop(pid, {}).values():
            self._partners.get(partner.pid, {}).pop(pid, None)
            if status != EXIT_OK and partner.alive:
                self._fall(partner, pid, status)

    def explained(self, pid: int, status: int, output: str) -> str:
        """The output of a process that ends, with the reason if a partner is."""
        reason = self._reasons.get(pid)
        if reason is None or status == EXIT_OK:
            return output
        return f"{output}\n{reason}" if output else reason

    def _fall(self, process: Process, partner: int, status: int) -> None:
        self._reasons.setdefault(
            process.pid, f"(process {partner}, which it was linked to, exited with {status})"
        )
        if not process.ending:
            process.stopped = False
            process.deliver(Signal.TERM)


def read_links(connection: sqlite3.Connection) -> list[tuple[int, int, int | None]]:
    """(pid, partner, status of the partner if it has failed), oldest first."""
    return list(connection.execute("SELECT pid, partner, status FROM link ORDER BY pid, partner"))
