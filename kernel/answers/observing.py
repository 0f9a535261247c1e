"""Looking on: what processes do, what they have done, and what is in a folder of `/proc`."""

from __future__ import annotations

from functools import partial
from typing import assert_never

from ...syscalls.errno import EAGAIN, EINVAL, ENOENT
from .. import memory_view, messages, procfs, turn_history
from ..kernel import Kernel
from ..onlooker import Onlooker
from .client import Client

MOST_ONLOOKERS = 64
"""Of all connections together."""


async def answer(kernel: Kernel, request: messages.ObservingRequest, client: Client) -> object:
    match request:
        case messages.LookOn():
            return await _look_on(kernel, request, client)
        case messages.Look(number, timeout_s):
            if not client.will_close(("onlooker", number)):
                raise ENOENT(f"this connection has no onlooker {number}")
            return await kernel.onlookers[number].take(timeout_s)
        case messages.History(pid):
            return await turn_history.history(kernel, pid)
        case messages.ListProc(path):
            return {"entries": await procfs.listing(kernel, path)}
        case _:
            assert_never(request)


async def _look_on(
    kernel: Kernel, request: messages.LookOn, client: Client
) -> dict[str, int | list[int]]:
    """It looks away when the connection ends."""
    if not request.pids:
        raise EINVAL("no process is named")
    for pid in request.pids:
        if pid not in kernel.table:
            await memory_view.look(kernel, partial(memory_view.life, pid=pid))
    if len(kernel.onlookers) >= MOST_ONLOOKERS:
        raise EAGAIN(f"{MOST_ONLOOKERS} are looking on, which is the limit")
    # From here on nothing is awaited: no event is missed, and none seen of who has ended.
    pids = set(request.pids)
    if request.follow:
        pids |= {one.pid for pid in request.pids for one in kernel.table.descendants(pid)}
    alive = {pid for pid in pids if (process := kernel.table.get(pid)) and process.alive}
    onlooker = Onlooker(
        alive, pages=request.what == "pages", follow=request.follow, clock=kernel.clock
    )
    number = max(kernel.onlookers, default=0) + 1
    kernel.onlookers[number] = onlooker
    look_away = kernel.bus.look_on(onlooker.hear)

    def leave() -> None:
        look_away()
        del kernel.onlookers[number]

    client.at_close(("onlooker", number), leave)
    return {"onlooker": number, "ended": sorted(set(request.pids) - alive)}
