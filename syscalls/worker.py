"""The child side of a plugin host: `python -m llmos.syscalls.worker SOCKET_FD PARENT_PID`.

A worker imports its plugin, says what it found, and then runs calls. A `def` runs on the main
thread with no event loop around it, one at a time, in the folder of the process that called: to
stop it, the host kills the worker. The first `async def` turns the worker into an event loop that
runs many at once.

Standard output belongs to the plugin (it is the host's log); frames go over a socket of their own.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from .context import Context
from .errno import EIO, ENOENT, LoadError, SyscallError
from .invoke import clean, cut, invoke, invoke_async
from .loader import Syscall, load_file, load_module
from .wire import HEADER, REQUEST, Call, Cancel, Loaded, Raised, Refused, Returned, Start, pack

MAX_MESSAGE = 4096
_PR_SET_PDEATHSIG = 1


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)  # what a plugin starts cannot speak for it
    die_with(int(sys.argv[2]))
    be_expendable()
    start = receive(channel)
    assert isinstance(start, Start), "a host says first what to import"
    try:
        calls = load(start)
    except LoadError as error:
        channel.sendall(pack(Refused(message=_short(error.message), where=clean(error.where))))
        return
    channel.sendall(pack(Loaded(specs=tuple(call.spec for call in calls.values()))))
    serve(channel, calls, start.max_output)


def die_with(parent: int) -> None:
    """End with the kernel, even in the middle of a loop, and however the kernel ends."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before the line above
        os._exit(0)


def be_expendable() -> None:
    """When memory runs out a worker goes first, not the kernel; and it leaves no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


def load(start: Start) -> dict[str, Syscall]:
    calls: dict[str, Syscall] = {}
    for source in start.sources:
        found = (
            load_module(source.module, source.plugin)
            if source.module
            else load_file(Path(source.file), source.plugin)
        )
        calls |= {call.spec.name: call for call in found}
    return calls


def serve(channel: socket.socket, calls: dict[str, Syscall], max_output: int) -> None:
    """Run `def` after `def`, until the host hangs up or an `async def` comes."""
    while True:
        request = receive(channel)
        if request is None:
            return
        assert isinstance(request, Call), "there is nothing to cancel between two calls"
        if calls[request.name].spec.is_async:
            asyncio.run(serve_async(channel, calls, max_output, request))
            return
        channel.sendall(pack(run(calls[request.name], request, max_output)))


def run(call: Syscall, request: Call, max_output: int) -> Returned | Raised:
    try:
        try:
            os.chdir(request.root)  # so that a plugin's own relative paths begin there
        except OSError as error:
            raise ENOENT(f"the process's folder cannot be entered: {error}") from None
        text = invoke(call, request.arguments, _context(request), max_output)
    except SyscallError as error:
        return _raised(request, error)
    return Returned(id=request.id, text=text)


async def serve_async(
    channel: socket.socket, calls: dict[str, Syscall], max_output: int, first: Call
) -> None:
    """Run every `async def` as it comes, side by side."""
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    running: dict[int, asyncio.Task[None]] = {}

    async def run_one(request: Call) -> None:
        try:
            text = await invoke_async(
                calls[request.name], request.arguments, _context(request), max_output
            )
            writer.write(pack(Returned(id=request.id, text=text)))
        except SyscallError as error:
            writer.write(pack(_raised(request, error)))
        except asyncio.CancelledError:
            writer.write(pack(_raised(request, EIO("cancelled"))))
        finally:
            del running[request.id]

    request: Call | Cancel = first
    while True:
        if isinstance(request, Call):
            running[request.id] = asyncio.create_task(run_one(request))
        elif task := running.get(request.id):
            task.cancel()
        try:
            size = HEADER.unpack(await reader.readexactly(HEADER.size))[0]
            received = REQUEST.validate_json(await reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            os._exit(0)  # the host is gone, and nobody waits for those that still run
        assert not isinstance(received, Start)
        request = received


def receive(channel: socket.socket) -> Start | Call | Cancel | None:
    """The next request; None when the host has hung up."""
    header = _read(channel, HEADER.size)
    if len(header) < HEADER.size:
        return None
    return REQUEST.validate_json(_read(channel, HEADER.unpack(header)[0]))


def _read(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = channel.recv(min(size - len(data), 1 << 20))
        if not piece:
            break
        data += piece
    return bytes(data)


def _context(request: Call) -> Context:
    return Context(pid=request.pid, call_id=request.call_id, root=Path(request.root))


def _raised(request: Call, error: SyscallError) -> Raised:
    return Raised(
        id=request.id,
        code=_short(error.code),
        message=_short(error.message),
        hint=_short(error.hint),
    )


def _short(text: str) -> str:
    return cut(clean(str(text)), MAX_MESSAGE)


if __name__ == "__main__":
    main()
