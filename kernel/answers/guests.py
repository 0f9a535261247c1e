"""Processes that a client drives itself: they make the calls that it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from ...memory.swap import Statement
from ...syscalls.errno import EAGAIN, EPERM
from .. import guest as guests
from .. import limits, messages, plugin_view
from ..kernel import Kernel
from ..process import Process
from ..signals import Signal
from .checks import folder
from .client import Client, begun


async def answer(kernel: Kernel, request: messages.GuestRequest, client: Client) -> object:
    match request:
        case messages.OpenGuest():
            return await _open(kernel, request, client)
        case messages.CallSyscall(pid, name, arguments, key):
            guest = await _guest(kernel, pid, client)
            return await guest.call(name, arguments, key)
        case messages.CloseGuest(pid, status, output, keep):
            guest = await _guest(kernel, pid, client)
            client.forget(("guest", pid))
            await guest.close(status, output, frozenset(keep))
        case messages.CancelCall(pid, key):
            (await _guest(kernel, pid, client)).cancel(key)
        case messages.Offered(pid):
            await kernel.syscalls_known()
            offered = kernel.offered(kernel.table.find(pid))
            return {"syscalls": [plugin_view.syscall(spec) for spec in offered]}
        case _:
            assert_never(request)
    return {}


async def _open(kernel: Kernel, request: messages.OpenGuest, client: Client) -> dict[str, int]:
    def claim(process: Process) -> tuple[list[Statement], Callable[[], None]]:
        return [], lambda: kernel.guests.add(process.pid)

    process = await kernel.spawn(
        task=None,
        name=request.name,
        root=folder(request.root),
        parent=request.parent,
        nice=request.nice,
        program="guest",
        tools=None if request.tools is None else tuple(request.tools),
        limits=limits.parse(request.limits),
        budget=request.budget,
        along=claim,
    )

    def left() -> None:
        kernel.guests.discard(process.pid)
        kernel.errand(kernel.signal(process, Signal.TERM))

    told = begun(process, client, request.attach)
    client.at_close(("guest", process.pid), left)
    return told


async def _guest(kernel: Kernel, pid: int, client: Client) -> guests.Guest:
    """A guest of this connection, once it can make calls. Raises EAGAIN, EPERM, ESRCH."""
    process = kernel.living(pid)
    if not client.will_close(("guest", pid)):
        raise EPERM(f"process {pid} is no guest of this connection", hint="open_guest makes one")
    await kernel.begun.wait()
    running = kernel.at_work(process)
    if not isinstance(running, guests.Guest):
        raise EAGAIN(f"process {pid} is being replaced", hint="try again when it is over")
    return running
