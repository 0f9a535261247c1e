"""What `top` shows: all processes, the engine, the queue and the kernel itself, of one moment.

It is read without giving way to anybody, so that its figures agree with each other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from .. import __version__
from . import listing, messages, scheduling_view
from .core import Core
from .process import Process, State

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def top(kernel: Core) -> messages.TopInfo:
    scheduler, load, totals = kernel.scheduler, kernel.engine.load, kernel.engine.totals()
    return messages.TopInfo(
        taken=kernel.clock(),
        version=__version__,
        os_pid=os.getpid(),
        uptime_s=time.monotonic() - kernel.started,
        memory_bytes=_resident_bytes(),
        engine=kernel.engine.status(scheduler.num_waiting),
        totals=messages.EngineTotals(
            totals.tokens_in, totals.tokens_cached, totals.tokens_out, totals.requests
        ),
        load=None
        if load is None
        else messages.EngineLoad(load.running, load.waiting, load.blocks_used, load.blocks_total),
        queue=scheduling_view.queue(scheduler),
        processes=_processes(kernel, None if load is None else load.blocks_of),
    )


def _processes(kernel: Core, blocks_of: Mapping[int, int] | None) -> listing.Columns:
    listed = tuple(kernel.table)
    return listing.columns(listed, kernel.scheduler) | {
        "syscall": list(map(_syscall, listed)),
        "tokens_left": [
            None if one.budget is None else max(0, one.budget - one.accounting.tokens)
            for one in listed
        ],
        "kv_blocks": [None if blocks_of is None else blocks_of.get(one.pid, 0) for one in listed],
        "pages": [len(one.space) for one in listed],
        "pages_evicted": [one.space.num_evicted for one in listed],
    }


def _syscall(process: Process) -> str:
    if process.state is not State.BLOCKED:
        return ""
    calls = process.space.unanswered_calls()
    return ",".join(dict.fromkeys(call.name for call in calls))


def _resident_bytes() -> int:
    """Of this process. 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * PAGE_BYTES
    except OSError:
        return 0
