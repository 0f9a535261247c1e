"""Processes: begun, looked at, talked to, acted on and waited for."""

from __future__ import annotations

import asyncio
from typing import assert_never

from ...memory.swap import read_pages
from ...syscalls.errno import EINVAL, ESRCH, ETIME
from .. import checkpoint, form, limits, listing, messages
from ..checkpoint_file import read_file, write_file
from ..kernel import Kernel
from ..process import INIT_PID
from ..records import read_process
from ..services import wait_for_exit
from ..signals import Signal
from .checks import absolute, folder, subject
from .client import Client, begun


async def answer(kernel: Kernel, request: messages.ProcessRequest, client: Client) -> object:
    match request:
        case messages.Ps():
            return {"processes": listing.columns(kernel.table, kernel.scheduler)}
        case messages.Logs(pid, first):
            return await _logs(kernel, pid, first)
        case messages.Spawn():
            return await _spawn(kernel, request, client)
        case messages.Fork():
            return await _fork(kernel, request, client)
        case messages.Exec(pid, task, name):
            await kernel.exec(subject(kernel, pid), task=task, name=name)
        case messages.Checkpoint():
            return await _checkpoint(kernel, request)
        case messages.Restore():
            return await _restore(kernel, request)
        case messages.Renice(pid, nice):
            await kernel.set_nice(subject(kernel, pid), nice)
        case messages.SetGroup(pid, group):
            await kernel.set_group(subject(kernel, pid), pid if group is None else group)
            return {"group": pid if group is None else group}
        case messages.SetSession(pid):
            await kernel.set_session(subject(kernel, pid))
            return {"session": pid}
        case messages.Send(pid, text):
            kernel.backlog.check_room()
            await kernel.send(pid, text)
        case messages.Attach(pid):
            process = kernel.table.find(pid)
            client.attach(pid, client.send_event)
            # Nothing is awaited from here to the answer: the next event comes after it.
            return listing.attached(process, kernel.scheduler, kernel.bus.num_watching(pid))
        case messages.Detach(pid):
            client.detach(pid)
        case messages.Kill():
            await _kill(kernel, request)
        case messages.Wait(pid, timeout_s):
            return await _wait(kernel, pid, timeout_s)
        case _:
            assert_never(request)
    return {}


async def _spawn(kernel: Kernel, request: messages.Spawn, client: Client) -> dict[str, int]:
    process = await kernel.spawn(
        task=request.task,
        name=request.name,
        root=folder(request.root),
        parent=request.parent,
        program=_program(request.program),
        interactive=request.interactive,
        nice=request.nice,
        tools=None if request.tools is None else tuple(request.tools),
        limits=limits.parse(request.limits),
        budget=request.budget,
        stdin=None if request.stdin is None else kernel.pipe(request.stdin),
        stdout=None if request.stdout is None else kernel.pipe(request.stdout),
        output_schema=form.checked(request.output_schema),
        group=request.group,
    )
    return begun(process, client, request.attach)


async def _fork(kernel: Kernel, request: messages.Fork, client: Client) -> dict[str, int]:
    child = await kernel.fork(
        subject(kernel, request.pid),
        task=request.task,
        name=request.name,
        interactive=request.interactive,
        budget=request.budget,
    )
    return begun(child, client, request.attach)


async def _checkpoint(kernel: Kernel, request: messages.Checkpoint) -> dict[str, list[int]]:
    path = absolute("path", request.path)
    content = await checkpoint.take(kernel, subject(kernel, request.pid), tree=request.tree)
    await asyncio.to_thread(write_file, path, content)
    return {"pids": [record["pid"] for record in content["processes"]]}


async def _restore(kernel: Kernel, request: messages.Restore) -> dict[str, object]:
    content = await asyncio.to_thread(read_file, absolute("path", request.path))
    root = None if request.root is None else folder(request.root)
    revived = await checkpoint.restore(kernel, content, root=root)
    return {"pid": revived.processes[0].pid, "pids": revived.pids}


async def _kill(kernel: Kernel, request: messages.Kill) -> None:
    process = subject(kernel, request.pid)
    table, signal = kernel.table, Signal[request.signal]
    match request.to:
        case "group":
            subjects = table.group(process.group)
        case "tree":
            subjects = [process, *table.descendants(process.pid)]
        case _:
            subjects = [process]
    await asyncio.gather(*(kernel.signal(one, signal, request.payload) for one in subjects))


async def _wait(kernel: Kernel, pid: int, timeout_s: float | None) -> messages.ExitInfo:
    process = kernel.table.find(pid)
    if pid == INIT_PID:
        raise EINVAL("process 1 ends with the kernel")
    try:
        ended = await wait_for_exit(process, timeout_s)
    except TimeoutError:
        raise ETIME(f"process {pid} is still alive after {timeout_s:g} s") from None
    above = kernel.table.get(process.parent)
    if above is None or above.pid == INIT_PID or above.program == "guest":
        await kernel.reap(process)  # whoever is above it is a client
    return ended


async def _logs(kernel: Kernel, pid: int, first: int) -> dict[str, object]:
    """Out of swap, so that ended and reaped processes can be read too."""
    record = await kernel.journal.read(lambda c: read_process(c, pid))
    if record is None:
        raise ESRCH(f"no process {pid}, and there never was one")
    image = record.image
    pages = await kernel.journal.read(lambda c: read_pages(c, pid, image, first))
    return {
        "image": image,
        "pages": [
            messages.PageInfo(
                vpn=stored.page.vpn,
                role=stored.page.role,
                text=stored.page.text,
                calls=[
                    {"name": call.name, "arguments": call.arguments} for call in stored.page.calls
                ],
                num_tokens=stored.page.num_tokens,
                resident=stored.resident,
                created=stored.page.created,
            )
            for stored in pages
        ],
    }


def _program(name: str) -> str:
    """What a client may start by its name alone. Raises EINVAL."""
    if name == "supervisor":
        raise EINVAL("a supervisor is not spawned", hint="llmos supervise starts one")
    return name
