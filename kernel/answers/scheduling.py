"""The scheduler: how it stands, what it goes by, and why a process waits."""

from __future__ import annotations

from typing import assert_never

from .. import messages, scheduling_choices, scheduling_view
from ..kernel import Kernel
from ..why import why


async def answer(kernel: Kernel, request: messages.SchedulingRequest) -> object:
    match request:
        case messages.Why(pid):
            return await why(kernel, pid)
        case messages.LookAtScheduler():
            pass
        case messages.UsePolicy(policy):
            await scheduling_choices.use(kernel, policy)
        case messages.ShareEngine(session, weight):
            await scheduling_choices.share(kernel, session, weight)
        case _:
            assert_never(request)
    return scheduling_view.info(kernel)
