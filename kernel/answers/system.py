"""The kernel itself: its state, its plugins, its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ... import __version__
from .. import gauges, messages, plugin_view
from ..kernel import Kernel


async def answer(
    kernel: Kernel, request: messages.SystemRequest, halt: Callable[[], None]
) -> object:
    match request:
        case messages.Status():
            return _status(kernel)
        case messages.Top():
            return gauges.top(kernel)
        case messages.Plugins():
            return {"plugins": plugin_view.plugins(kernel)}
        case messages.DecidePlugin(action, name, value):
            await kernel.plugins.decide(action, name, value)
            return {"plugins": plugin_view.plugins(kernel)}
        case messages.Syscalls(name):
            return {"syscalls": await plugin_view.syscalls(kernel, name)}
        case messages.Halt():
            halt()
            return {}


def _status(kernel: Kernel) -> messages.KernelStatus:
    return messages.KernelStatus(
        version=__version__,
        os_pid=os.getpid(),
        state_dir=str(kernel.config.state_dir),
        uptime_s=time.monotonic() - kernel.started,
        processes=kernel.table.num_alive(),
        usage=kernel.usage(),
        engine=kernel.engine.status(kernel.scheduler.num_waiting),
    )
