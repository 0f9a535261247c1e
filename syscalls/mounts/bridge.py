"""The process between the kernel and one mount: `python -m llmos.syscalls.mounts.bridge FD PARENT`.

It says to the kernel what a worker says, in the same frames, and speaks with the far side. One for
each mount: what a server floods or hangs is this process. It ends when the server does, and the
kernel then starts both again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from ..errno import ECANCELED, EIO, LoadError, SyscallError
from ..invoke import clean, cut
from ..wire import (
    HEADER,
    REQUEST,
    Call,
    Cancel,
    Loaded,
    Raised,
    Refused,
    Request,
    Returned,
    Start,
    Told,
    pack,
)
from ..worker import be_expendable, die_with
from .backend import Backend
from .settings import Mount

MAX_MESSAGE = 4096
LAST_WORDS_S = 0.5


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    post_a_warden()
    die_with(int(sys.argv[2]))
    asyncio.run(run(channel))


def post_a_warden() -> None:
    """A process that ends our group when we end, however that is. A server may ignore that its
    input has ended, and what it has started itself the more."""
    seen, _held = os.pipe()  # which no server inherits: it closes when we end
    if os.fork():
        os.close(seen)
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.dup2(seen, 0)
    os.closerange(1, os.sysconf("SC_OPEN_MAX"))  # the other end, and the kernel's socket
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


async def run(channel: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    start = await receive(reader)
    assert isinstance(start, Start), "the kernel says first what to mount"
    be_expendable(start.max_memory)
    mount = Mount.model_validate_json(start.sources[0].mount)
    bridge = Bridge(reader, writer, start.max_output)
    try:
        async with far_side(mount, bridge.look_again) as backend:
            await bridge.serve(backend)
    except LoadError as error:
        message = cut(clean(error.message), MAX_MESSAGE)
        writer.write(pack(Refused(message=message, where=clean(error.where))))
    with suppress(ConnectionError):
        await writer.drain()
    writer.close()


def far_side(mount: Mount, changed: Callable[[], None]) -> AbstractAsyncContextManager[Backend]:
    """Imported here and not above: each is heavy, and a bridge needs one."""
    if mount.kind == "openapi":
        from .openapi import connect as connect_service

        return connect_service(mount)
    from .mcp_client import connect as connect_server

    return connect_server(mount, changed)


class Bridge:
    """Calls from one side, results from the other."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_output: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._max_output = max_output
        self._running: dict[int, asyncio.Task[None]] = {}
        self._stale = asyncio.Event()
        self._over = asyncio.Event()

    def look_again(self) -> None:
        """The far side offers something else."""
        self._stale.set()

    async def serve(self, backend: Backend) -> None:
        """Until the kernel hangs up or the far side ends."""
        self._writer.write(pack(Loaded(specs=backend.specs)))
        backend.ended.add_done_callback(lambda _: self._over.set())
        async with _background(self._hear(backend), self._follow(backend)):
            await self._over.wait()
            if backend.ended.done():
                print(f"the server {backend.ended.result()}", file=sys.stderr, flush=True)
                if self._running:  # what is under way learns of it by itself, very soon
                    await asyncio.wait(self._running.values(), timeout=LAST_WORDS_S)
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _hear(self, backend: Backend) -> None:
        while request := await receive(self._reader):
            if isinstance(request, Call):
                task = asyncio.create_task(self._call(backend, request))
                self._running[request.id] = task
            elif isinstance(request, Cancel) and request.id in self._running:
                self._running[request.id].cancel()
        self._over.set()

    async def _follow(self, backend: Backend) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await backend.refresh()
            except Exception as error:
                print(f"it does not say what it offers: {error}", file=sys.stderr, flush=True)
                continue
            self._writer.write(pack(Loaded(specs=backend.specs)))

    async def _call(self, backend: Backend, request: Call) -> None:
        def tell(words: str) -> None:
            told = cut(clean(words), MAX_MESSAGE)
            self._writer.write(pack(Told(id=request.id, what="progress", text=told)))

        try:
            text = await backend.call(request.name, request.arguments, tell)
            text = cut(clean(text), self._max_output)
            self._writer.write(pack(Returned(id=request.id, text=text)))
        except SyscallError as error:
            self._writer.write(pack(_raised(request, error)))
        except asyncio.CancelledError:
            if backend.ended.done():
                gone = EIO(
                    f"the server {backend.ended.result()} during the call",
                    hint="what it was doing may or may not have happened",
                )
                self._writer.write(pack(_raised(request, gone)))
            else:
                self._writer.write(pack(_raised(request, ECANCELED("the call was stopped"))))
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            self._writer.write(pack(_raised(request, EIO(words))))
        finally:
            del self._running[request.id]


@asynccontextmanager
async def _background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def receive(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None when the kernel has hung up."""
    try:
        size = HEADER.unpack(await reader.readexactly(HEADER.size))[0]
        return REQUEST.validate_json(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _raised(request: Call, error: SyscallError) -> Raised:
    return Raised(
        id=request.id,
        code=cut(clean(error.code), MAX_MESSAGE),
        message=cut(clean(error.message), MAX_MESSAGE),
        hint=cut(clean(error.hint), MAX_MESSAGE),
    )


if __name__ == "__main__":
    main()
