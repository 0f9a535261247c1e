"""The wire, and the client for one-shot verbs: one socket, one request at a time, no threads.

`async_client` is its sibling for the interactive shell.
"""

from __future__ import annotations

import json
import socket
import struct
from collections import deque
from os import getuid
from time import monotonic

from .errors import ConfigError, Interrupted, KernelError, NoKernel, TooLong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

READ_SIZE = 1 << 16
SURELY_FITS = 1 << 16
"""A line up to this many bytes is sent without asking the protocol for its exact limit."""

_CREDENTIALS = struct.Struct("3i")
"""`struct ucred` of SO_PEERCRED: pid, uid, gid."""


class Record(dict[str, "Any"]):
    """A JSON object of the protocol, read with dots: `info.usage.tokens_in`.

    It stands for the dataclasses of `kernel.messages`, under whose names it is annotated: the
    type checker checks the fields, and the client does not pay for building the classes.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the kernel's answer has no field {name!r}") from None


# ---- the wire, shared with async_client -----------------------------------------------------


def encode(number: int, op: str, fields: dict[str, Any]) -> bytes:
    """One request as a line. Bytes of the command line that are no UTF-8 become U+FFFD."""
    request = {"id": number, "op": op, **{k: _clean(v) for k, v in fields.items()}}
    line = json.dumps(request, ensure_ascii=False).encode() + b"\n"
    if len(line) > SURELY_FITS:
        _check_fits(len(line))
    return line


def decode(line: bytes) -> Record:
    """One reply or event."""
    try:
        message: Record = json.loads(line, object_hook=Record)
    except ValueError:
        raise NoKernel(
            f"what answers on the socket does not speak the protocol: {line[:60]!r}",
            "see LLMOS_SOCKET, or restart the kernel: llmos halt; llmos boot",
        ) from None
    return message


def result_of(op: str, reply: Record) -> Any:
    """The result inside a reply, or its error raised."""
    if reply["ok"]:
        result = reply.get("result", Record())
        if op in ("ps", "top"):
            result["processes"] = rows(result["processes"])
        return result
    error = reply["error"]
    raise KernelError(error["code"], error["message"], error.get("hint", ""), error.get("retry_s"))


def rows(columns: dict[str, Any]) -> list[Record]:
    """What comes by columns, each a list or again columns, as records. They are filled column by
    column: of ten thousand it takes half of the time that row by row would."""
    lists = {name: rows(one) if isinstance(one, dict) else one for name, one in columns.items()}
    records = [Record() for _ in next(iter(lists.values()), ())]
    for name, values in lists.items():
        for record, value in zip(records, values, strict=True):
            record[name] = value
    return records


def open_socket(path: str) -> socket.socket:
    """A connected socket whose other end is proved to run under our own uid."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
        _check_peer(connection, path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        raise NoKernel() from None
    except OSError as error:
        connection.close()
        raise ConfigError(f"cannot reach the kernel at {path}: {error.strerror or error}") from None
    except ConfigError:
        connection.close()
        raise
    return connection


def _check_peer(connection: socket.socket, path: str) -> None:
    """A socket in a shared folder may be somebody else's: say nothing to it."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid = _CREDENTIALS.unpack(raw)[1]
    if uid != getuid():
        raise ConfigError(
            f"the socket {path} belongs to a process of user {uid}, not to yours ({getuid()})",
            "set LLMOS_SOCKET or LLMOS_STATE_DIR to a path of your own",
        )


def _check_fits(num_bytes: int) -> None:
    from ..kernel.messages import MAX_LINE

    if num_bytes > MAX_LINE:
        raise TooLong(
            f"the text is too long: {num_bytes:,} bytes, a message takes {MAX_LINE:,}",
            "save it to a file and ask the agent to read that file",
        )


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return value


# ---- the client -----------------------------------------------------------------------------


class Client:
    """A connection to the kernel that blocks. Ctrl-C while it waits raises `Interrupted`.

    `patience_s` bounds the wait for each reply; without it a reply may take hours (`wait`).
    """

    def __init__(self, path: str, patience_s: float | None = None) -> None:
        self._socket = open_socket(path)
        self._patience_s = patience_s
        self._unread = b""
        self._events: dict[int, deque[Record]] = {}
        self._waits: dict[int, int] = {}
        """By request: the pid of which `wait_any` has asked."""
        self._ended: dict[int, Record] = {}
        """By pid: the replies to these that nobody has taken yet."""
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The processes that we are attached to live on."""
        self._socket.close()

    def ask(self, op: str, **fields: Any) -> Any:
        """Sends one request and waits for its reply: the result, or `KernelError`.

        Typed by its caller: the result of each `op` is named in `kernel.messages`.
        """
        self._last_id += 1
        line = encode(self._last_id, op, fields)
        self._socket.settimeout(self._patience_s)
        deadline = None if self._patience_s is None else monotonic() + self._patience_s
        try:
            self._guarded(self._socket.sendall, line)
            while True:
                message = self._next_message(deadline)
                if message.get("id") == self._last_id and "ok" in message:
                    return result_of(op, message)
        except TimeoutError:
            raise NoKernel(f"the kernel has not answered for {self._patience_s:g} s") from None

    def event(self, pid: int, timeout_s: float | None = None) -> Any:
        """The next event of an attached process; `TimeoutError` after `timeout_s`."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        waiting = self._events.setdefault(pid, deque())
        while not waiting:
            self._next_message(deadline)
        return waiting.popleft()

    def wait_any(self, pids: Sequence[int], timeout_s: float | None = None) -> Any:
        """The `ExitInfo` of the first of these that ends; `TimeoutError` after `timeout_s`."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        asked = self._waits.values()
        for pid in pids:
            if pid not in asked and pid not in self._ended:
                self._last_id += 1
                self._waits[self._last_id] = pid
                line = encode(self._last_id, "wait", {"pid": pid})
                self._socket.settimeout(None)
                self._guarded(self._socket.sendall, line)
        while not (ended := [pid for pid in pids if pid in self._ended]):
            self._next_message(deadline)
        return result_of("wait", self._ended.pop(ended[0]))

    def _next_message(self, deadline: float | None) -> Record:
        """Reads one line. An event is also put by for `event`, an end for `wait_any`."""
        while b"\n" not in self._unread:
            timeout_s = None if deadline is None else max(deadline - monotonic(), 0.001)
            self._socket.settimeout(timeout_s)
            chunk = self._guarded(self._socket.recv, READ_SIZE)
            if not chunk:
                raise NoKernel("the kernel closed the connection", "llmos status; llmos boot")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        message = decode(line)
        if "event" in message:
            self._events.setdefault(message.pid, deque()).append(message)
        elif message.get("id") in self._waits:
            self._ended[self._waits.pop(message["id"])] = message
        return message

    def _guarded(self, call: Callable[[Any], Any], argument: Any) -> Any:
        try:
            return call(argument)
        except KeyboardInterrupt:
            raise Interrupted from None
        except (BrokenPipeError, ConnectionResetError):
            raise NoKernel("the kernel closed the connection", "llmos status; llmos boot") from None
