"""The client of the interactive shell: many requests at a time over one connection.

Events of a process go to its handler as they come. When the kernel goes away, every waiting
request raises `NoKernel` and `on_lost` is called once. The next request connects again; when
that works, `on_back` is awaited before the request goes out.
"""

from __future__ import annotations

import asyncio

from .client import Record, decode, encode, open_socket, result_of
from .errors import Interrupted, NoKernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    OnEvent = Callable[[Any], None]


class AsyncClient:
    """`ask` may be called by many tasks at once. A cancelled task sees `Interrupted`."""

    def __init__(
        self,
        path: str,
        on_event: OnEvent,
        on_lost: Callable[[], None],
        on_back: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._path = path
        self._on_event = on_event
        self._on_lost = on_lost
        self._on_back = on_back
        self._was_lost = False
        self._wire: _Wire | None = None
        self._connecting = asyncio.Lock()
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0

    @property
    def is_connected(self) -> bool:
        return self._wire is not None

    async def ask(self, op: str, **fields: Any) -> Any:
        """Sends one request and waits for its reply: the result, or `KernelError`."""
        wire = await self._connected()
        self._last_id += 1
        number = self._last_id
        line = encode(number, op, fields)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        try:
            wire.transport.write(line)
            return result_of(op, await reply)
        except asyncio.CancelledError:
            raise Interrupted from None
        finally:
            self._replies.pop(number, None)

    def close(self) -> None:
        """The processes that we are attached to live on."""
        if self._wire is not None:
            wire, self._wire = self._wire, None
            wire.transport.close()

    async def _connected(self) -> _Wire:
        async with self._connecting:
            if self._wire is None:
                wire = _Wire(self._on_message, self._lost)
                loop = asyncio.get_running_loop()
                await loop.create_unix_connection(lambda: wire, sock=open_socket(self._path))
                self._wire = wire
            wire = self._wire
        if self._was_lost and self._on_back is not None:
            self._was_lost = False
            await self._on_back()
        return wire

    def _on_message(self, message: Record) -> None:
        if "event" in message:
            self._on_event(message)
            return
        reply = self._replies.get(message.get("id", 0))
        if reply is not None and not reply.done():
            reply.set_result(message)

    def _lost(self) -> None:
        was_ours = self._wire is not None
        self._wire = None
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(NoKernel("the kernel closed the connection"))
        if was_ours:
            self._was_lost = True
            self._on_lost()


class _Wire(asyncio.Protocol):
    """Cuts what arrives into lines."""

    transport: asyncio.Transport

    def __init__(self, on_message: Callable[[Record], None], on_lost: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._on_message(decode(line))

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()
