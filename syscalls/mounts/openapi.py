"""One HTTP service with an OpenAPI description: its operations as syscalls.

Over the transport of a worker's kind: the service sees the headers that the settings name and what
a call's arguments say. A redirect is not followed, so that no key goes to anybody else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from ..decorator import Effect
from ..errno import (
    EAGAIN,
    EEXIST,
    EFBIG,
    EINVAL,
    EIO,
    ENOENT,
    ENOSYS,
    EPERM,
    ETIME,
    LoadError,
    SyscallError,
)
from ..spec import SyscallSpec
from . import description
from .backend import Tell, spec_of
from .description import FORM_BODY, Operation
from .schema import Checker
from .settings import Mount

CONNECT_S = 20.0
MAX_DESCRIPTION = 16 << 20
MAX_ANSWER = 4 << 20
"""Bytes of an answer that are read."""

MAX_WORDS = 500

_EFFECTS: dict[str, Effect] = {
    "GET": "pure",
    "HEAD": "pure",
    "PUT": "idempotent",
    "DELETE": "idempotent",
}
_ERRNOS: dict[int, type[SyscallError]] = {
    400: EINVAL,
    401: EPERM,
    403: EPERM,
    404: ENOENT,
    405: ENOSYS,
    408: ETIME,
    409: EEXIST,
    410: ENOENT,
    413: EFBIG,
    422: EINVAL,
    429: EAGAIN,
    501: ENOSYS,
    502: EAGAIN,
    503: EAGAIN,
    504: ETIME,
}


@asynccontextmanager
async def connect(mount: Mount) -> AsyncIterator[HttpService]:
    """A service whose description was read. Raises LoadError."""
    async with httpx2.AsyncClient(
        timeout=httpx2.Timeout(mount.timeout_s, connect=CONNECT_S), follow_redirects=False
    ) as http:
        service = HttpService(mount, http)
        await service.refresh()
        yield service


class HttpService:
    """`ended` is never done: each call is a connection's of its own."""

    def __init__(self, mount: Mount, http: httpx2.AsyncClient) -> None:
        self.specs: tuple[SyscallSpec, ...] = ()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._mount = mount
        self._http = http
        self._base = ""
        self._operations: dict[str, tuple[Operation, Checker]] = {}

    async def refresh(self) -> None:
        """Read the description. Raises LoadError."""
        mount = self._mount
        content = description.parse(await self._text())
        found = description.read(content, mount.url, mount.description)
        specs: dict[str, SyscallSpec] = {}
        for one in found.operations:
            try:
                effect = _EFFECTS.get(one.method, "once")
                spec = spec_of(mount, one.name, one.about, one.schema, effect)
                if spec.name in specs:
                    raise LoadError("another operation has its name")
                checker = Checker(one.schema)
            except LoadError as error:
                found.left_out.append(f"{one.name}: {error.message}")
                continue
            specs[spec.name] = spec
            self._operations[spec.name] = one, checker
        for words in found.left_out:
            print(f"the operation {words}; it is left out", file=sys.stderr, flush=True)
        self._base, self.specs = found.base, tuple(specs.values())

    async def _text(self) -> str:
        place = self._mount.description
        try:
            if urlsplit(place).scheme not in ("http", "https"):
                data = await asyncio.to_thread(Path(place).read_bytes)
            else:
                answer = await self._http.get(place, headers=self._headers_for(place))
                answer.raise_for_status()
                data = answer.content
        except OSError as error:
            raise LoadError(f"{place} cannot be read: {error.strerror}") from None
        except httpx2.HTTPError as error:
            raise LoadError(f"{place} cannot be read: {_words(error)}") from None
        if len(data) > MAX_DESCRIPTION:
            raise LoadError(f"{place} has {len(data)} bytes, more than {MAX_DESCRIPTION}")
        return data.decode(errors="replace")

    def _headers_for(self, place: str) -> dict[str, str]:
        """The service's keys go to the service: to a description only if it lies there."""
        same = self._mount.url and urlsplit(self._mount.url).netloc == urlsplit(place).netloc
        return self._mount.headers if same else {}

    # ---- calls ----------------------------------------------------------------------------

    async def call(self, name: str, arguments: Mapping[str, Any], tell: Tell) -> str:
        """The answer's body as text. Raises SyscallError."""
        if name not in self._operations:
            raise ENOSYS(f"{self._mount.name} no longer has {name}")
        operation, checker = self._operations[name]
        checker.check(arguments)
        request = self._request(operation, arguments)
        try:
            async with self._http.stream(**request) as answer:
                body = await _read(answer)
        except httpx2.ConnectError as error:
            raise EAGAIN(f"{self._base} cannot be reached: {_words(error)}") from None
        except httpx2.TimeoutException:
            raise ETIME(f"{self._base} has not answered for {self._mount.timeout_s:g} s") from None
        except httpx2.HTTPError as error:
            raise EIO(f"{self._base} broke off: {_words(error)}") from None
        if answer.is_success:
            return body or f"done ({answer.status_code})"
        raise _error(answer, body)

    def _request(self, operation: Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
        path, query = operation.path, []
        headers = httpx2.Headers()
        for parameter in operation.parameters:
            if parameter.argument not in arguments:
                continue
            value = arguments[parameter.argument]
            if parameter.place == "path":
                path = path.replace(f"{{{parameter.name}}}", _segment(parameter.argument, value))
            elif parameter.place == "query":
                values = value if isinstance(value, list) else [value]
                query += [(parameter.name, _plain(one)) for one in values]
            else:
                headers[parameter.name] = _header(parameter.argument, value)
        request: dict[str, Any] = {
            "method": operation.method,
            "url": self._base + path,
            "params": query or None,
            "headers": headers,
        }
        if operation.body and "body" in arguments:
            request |= _encoded(operation.body, arguments["body"])
            headers["Content-Type"] = operation.body
        headers.update(self._mount.headers)  # last: a call cannot take the place of a key
        return request


def _encoded(kind: str, body: Any) -> dict[str, Any]:
    if kind.startswith(FORM_BODY):
        if not isinstance(body, dict):
            raise EINVAL("body: expected an object, whose values are the fields of the form")
        return {"data": {name: _plain(value) for name, value in body.items()}}
    return {"content": json.dumps(body, ensure_ascii=False).encode()}


def _segment(argument: str, value: object) -> str:
    """A value in a path stays one segment, and does not climb out of it."""
    text = _plain(value)
    if not text or {".", ".."} & set(text.replace("\\", "/").split("/")):
        raise EINVAL(f"{argument}: {text!r} cannot be part of a path")
    return quote(text, safe="")


def _header(argument: str, value: object) -> str:
    text = _plain(value)
    if not text.isprintable():
        raise EINVAL(f"{argument}: a header has no line breaks")
    return text


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


async def _read(answer: httpx2.Response) -> str:
    """The body as text. What is none is named; JSON comes without its blanks."""
    data = bytearray()
    async for piece in answer.aiter_bytes():
        data += piece
        if len(data) > MAX_ANSWER:
            raise EFBIG(f"the answer has more than {MAX_ANSWER} bytes", hint="ask for less")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith(("image/", "audio/", "video/")) or kind == "application/octet-stream":
        return f"[{kind}, {len(data)} bytes, which are no text]"
    text = data.decode(answer.encoding or "utf-8", errors="replace")
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return json.dumps(json.loads(text), ensure_ascii=False)
        except ValueError:
            return text
    return text


def _error(answer: httpx2.Response, body: str) -> SyscallError:
    """What the service has said, under the errno that is nearest."""
    status = answer.status_code
    words = " ".join(body.split())[:MAX_WORDS]
    said = f"{status} {answer.reason_phrase}" + (f": {words}" if words else "")
    hint = ""
    if status in (401, 403):
        hint = "its key is among the headers in openapi.json"
    elif retry := answer.headers.get("retry-after"):
        hint = f"try again after {retry}" + (" s" if retry.isdigit() else "")
    elif answer.is_redirect:
        hint = f"it leads to {answer.headers.get('location', '')}, which is not followed"
    return _ERRNOS.get(status, EIO)(said, hint=hint)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


logging.getLogger("httpx2").setLevel(logging.WARNING)
