"""The socket server: connections, lines, and the door that every client's bytes pass.

The socket is 0600, and the peer's uid is asked of the operating system. A line is bounded before it
is read whole, JSON is parsed by pydantic's parser (which bounds the depth), and a request is
validated against the dataclasses of `messages/`. A client that does not read what it asked for is
cut off. Whatever a client sends, the kernel lives on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from ..syscalls.errno import EFBIG, EINVAL, EIO, EPERM, SyscallError
from . import messages
from .bus import Bus, Subscriber
from .journal import JournalError
from .service import Service

log = logging.getLogger(__name__)

MAX_BACKLOG_BYTES = 8 << 20
MAX_IN_FLIGHT = 256
TURN_AWAY_S = 2.0

for _kind in get_args(messages.Request):
    _kind.__pydantic_config__ = ConfigDict(extra="forbid", strict=True)
_REQUEST: TypeAdapter[messages.Request] = TypeAdapter(
    Annotated[messages.Request, Field(discriminator="op")]
)
OPS = tuple(kind.__dataclass_fields__["op"].default for kind in get_args(messages.Request))


class Server:
    """Listens on the kernel's socket."""

    def __init__(self, path: Path, service: Service, bus: Bus) -> None:
        self._path = path
        self._service = service
        self._bus = bus
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Replaces a stale socket: whoever calls this holds the lock of the state folder."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        umask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._accept, self._path, limit=messages.MAX_LINE + 1
            )
        finally:
            os.umask(umask)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self._service, self._bus)
        self._connections.add(connection)
        try:
            await connection.run()
        except (ConnectionError, asyncio.CancelledError):
            pass
        except Exception:
            log.exception("a connection failed")
        finally:
            connection.close()
            self._connections.discard(connection)


class Connection:
    """One client. Requests are handled side by side; replies come as they are ready."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        service: Service,
        bus: Bus,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._service = service
        self._bus = bus
        self._attached: dict[int, Subscriber] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_close: dict[Hashable, Callable[[], None]] = {}

    async def run(self) -> None:
        uid = _peer_uid(self._writer.get_extra_info("socket"))
        if uid not in (os.getuid(), 0):
            await self._turn_away(uid)
            return
        while (line := await self._read_line()) is not None:
            if line.strip():
                self._dispatch(line)

    async def _turn_away(self, uid: int) -> None:
        self._reply_error(None, EPERM(f"this kernel belongs to uid {os.getuid()}, not {uid}"))
        self._writer.write_eof()
        # Closing with unread bytes would reset the connection and take the answer with it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TURN_AWAY_S):
                while await self._reader.read(1 << 16):
                    pass

    def close(self) -> None:
        for pid in tuple(self._attached):
            self.detach(pid)
        while self._at_close:
            _, action = self._at_close.popitem()
            action()
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            self._writer.close()

    # ---- what the service uses ------------------------------------------------------------

    def attach(self, pid: int, subscriber: Subscriber) -> None:
        self._attached[pid] = subscriber
        self._bus.attach(pid, subscriber)

    def detach(self, pid: int) -> None:
        subscriber = self._attached.pop(pid, None)
        if subscriber is not None:
            self._bus.detach(pid, subscriber)

    def send_event(self, event: messages.Event) -> None:
        self._send({"event": event.event, **{key: getattr(event, key) for key in event.__slots__}})

    def at_close(self, key: Hashable, action: Callable[[], None]) -> None:
        if self._writer.is_closing():  # it has gone while the answer was made
            action()
        else:
            self._at_close[key] = action

    def forget(self, key: Hashable) -> None:
        self._at_close.pop(key, None)

    def will_close(self, key: Hashable) -> bool:
        return key in self._at_close

    # ---- lines in -------------------------------------------------------------------------

    async def _read_line(self) -> bytes | None:
        """The next line, or None at the end. One that is too long is answered and skipped."""
        while True:
            try:
                return await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as rest:
                return rest.partial or None
            except asyncio.LimitOverrunError:
                await self._skip_line()
                self._reply_error(
                    None,
                    EFBIG(
                        f"a line of more than {messages.MAX_LINE} bytes",
                        hint="write long text to a file and ask for the file to be read",
                    ),
                )

    async def _skip_line(self) -> None:
        while True:
            try:
                await self._reader.readuntil(b"\n")
                return
            except asyncio.LimitOverrunError as error:
                await self._reader.readexactly(error.consumed)
            except asyncio.IncompleteReadError:
                return

    def _dispatch(self, line: bytes) -> None:
        number: object = None
        try:
            number, request = _parse(line)
            if len(self._tasks) >= MAX_IN_FLIGHT:
                raise EINVAL(f"more than {MAX_IN_FLIGHT} requests at once on one connection")
        except _Unparsable as error:
            self._reply_error(error.number, error.reason)
            return
        except SyscallError as error:
            self._reply_error(number, error)
            return
        task = asyncio.create_task(self._answer(number, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: object, request: messages.Request) -> None:
        try:
            result = await self._service.handle(request, self)
            self._send({"id": number, "ok": True, "result": result})
        except SyscallError as error:
            self._reply_error(number, error)
        except JournalError as error:
            self._reply_error(number, EIO(str(error), hint="free some disk space"))
        except Exception as error:
            log.exception("request %s failed", request.op)
            self._reply_error(number, EIO(f"{type(error).__name__}: {error}"))

    # ---- lines out ------------------------------------------------------------------------

    def _reply_error(self, number: object, error: SyscallError) -> None:
        info = messages.ErrorInfo(error.code, error.message, error.hint, error.retry_s)
        self._send({"id": number, "ok": False, "error": info})

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer.is_closing():
            return
        self._writer.write(to_json(message, inf_nan_mode="null") + b"\n")
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            log.warning("a client does not read: cut off")
            self._writer.transport.abort()


class _Unparsable(Exception):
    """A line that is no request; `number` is its id, if it had one."""

    def __init__(self, number: object, reason: SyscallError) -> None:
        super().__init__(str(reason))
        self.number = number
        self.reason = reason


def _parse(line: bytes) -> tuple[object, messages.Request]:
    """(id, request) of a line. Raises _Unparsable."""
    try:
        message = from_json(line)
    except ValueError as error:
        raise _Unparsable(None, EINVAL(f"not JSON: {error}")) from None
    if not isinstance(message, dict):
        raise _Unparsable(None, EINVAL("a request is a JSON object"))
    number = message.pop("id", None)
    if not isinstance(number, int | str | None):
        raise _Unparsable(None, EINVAL("an id is a number or a string"))
    op = message.get("op")
    if op not in OPS:
        raise _Unparsable(number, EINVAL(f"unknown op {op!r}", hint="there are " + ", ".join(OPS)))
    try:
        # As JSON again: strict validation takes a dataclass from JSON, not from a dict.
        return number, _REQUEST.validate_json(to_json(message))
    except ValidationError as error:
        raise _Unparsable(number, EINVAL(_first_problem(error))) from None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in problem["loc"][1:]) or "the request"
    return f"{field}: {problem['msg']}"


def _peer_uid(connection: socket.socket) -> int:
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    uid: int = struct.unpack("3i", credentials)[1]
    return uid
