"""Which calls of one turn are made at the same time.

A model writes the calls of a turn without having seen any of their results, but in an order, and it
may mean the order: `write_file` and then `run_python`. So those that follow each other and change
nothing are made side by side, and one that changes something is made alone, after all before it and
before all behind it. An author may say otherwise of a syscall (`parallel`), and several calls
of one syscall that has a batch are one. The results are pages in the order of the calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

from ..memory.page import Call
from .kernel import Kernel
from .process import Process

MOST = 16
"""Calls of one process at the same time."""


def together(calls: Sequence[Call], kernel: Kernel, process: Process) -> Sequence[Call]:
    """The first of them, and those right behind it that are made with it: never more than the
    limits of the process leave."""
    find = kernel.plugins.table.find
    first = find(calls[0].name)

    def joins(call: Call) -> bool:
        spec = find(call.name)
        if spec is None or first is None:
            return False
        return (first.parallel and spec.parallel) or (first.batch and spec.name == first.name)

    behind = takewhile(joins, calls[1 : _room(process)])
    return (calls[0], *behind)


def _room(process: Process) -> int:
    """How many calls may be made before a limit is looked at."""
    used = {"syscalls": process.accounting.syscalls, "pages": len(process.space)}
    left = [
        most - amount
        for resource, amount in used.items()
        for limit in [process.limits.of(resource)]
        for most in (limit.soft, limit.hard)
        if most > amount
    ]
    return math.ceil(min([MOST, *left]))


def batches(calls: Sequence[Call], kernel: Kernel) -> list[list[Call]]:
    """Calls that are made together, by what becomes of one call to a plugin."""
    found: list[list[Call]] = []
    by_name: dict[str, list[Call]] = {}
    for call in calls:
        spec = kernel.plugins.table.find(call.name)
        if spec is None or not spec.batch:
            found.append([call])
        elif call.name in by_name:
            by_name[call.name].append(call)
        else:
            by_name[call.name] = [call]
            found.append(by_name[call.name])
    return found
