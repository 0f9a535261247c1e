"""Budgets: to whom the rest of one returns when its process ends.

A budget comes out of that of the parent, which is its *lender*. The rest returns to the lender, or,
when that has ended before, to whoever had lent to it, and so on. Processes end at the same time, in
any order; so both, how much it is and to whom it goes, are read where all ends and births stand in
one order: in the transaction of the end.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Returned:
    """`tokens` of a process that has ended are from now on those of process `to`. They are less
    than 0 when it has used too much."""

    tokens: int
    to: int


def give_back(connection: sqlite3.Connection, pid: int) -> Returned | None:
    """Of a process whose end, and what it has used, stand in this transaction. None when nothing
    is left, or nobody lives from whom it came."""
    left, lender = connection.execute(
        "SELECT budget - (tokens_in - tokens_cached + tokens_out), lender FROM process"
        " WHERE pid = ?",
        (pid,),
    ).fetchone()
    heir = _nearest_alive(connection, lender)
    # For those that it has lent to: in a line of processes each of which forks and ends, the way
    # to the one that lives would get longer and longer.
    connection.execute("UPDATE process SET lender = ? WHERE pid = ?", (heir, pid))
    if heir is None or not left:
        return None
    move = "UPDATE process SET budget = budget + ? WHERE pid = ?"
    connection.executemany(move, [(-left, pid), (left, heir)])
    return Returned(left, heir)


def _nearest_alive(connection: sqlite3.Connection, pid: int | None) -> int | None:
    while pid is not None:
        lender, exit_status = connection.execute(
            "SELECT lender, exit_status FROM process WHERE pid = ?", (pid,)
        ).fetchone()
        if exit_status is None:
            break
        pid = lender
    return pid
