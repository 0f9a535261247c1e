"""One GET over HTTP, to addresses of the public network alone.

An agent that reads what strangers write can be talked into asking the router, the cloud's metadata
service, or a database next door. So a name is resolved once, every address is looked at, and that
very address is connected to: a name that means something else a moment later does not help.
Redirects go the same way. `LLMOS_WEB_ALLOW` names networks that may be reached all the same
(`127.0.0.1,10.1.0.0/16`).
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from dataclasses import dataclass
from typing import Any

from ..syscalls.errno import EAGAIN, EINVAL, EIO, ENOENT, EPERM, ETIME, SyscallError

ALLOW = "LLMOS_WEB_ALLOW"
MAX_REDIRECTS = 5
MAX_URL = 4000
_CHUNK = 1 << 16
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Got:
    """A response. `url` is where it came from in the end; `cut`: there was more than was asked."""

    url: str
    status: int
    kind: str
    charset: str
    data: bytes
    cut: bool


def get(url: str, *, timeout_s: float, max_bytes: int) -> Got:
    """Raises EINVAL, EPERM, ENOENT, EAGAIN, ETIME, EIO."""
    deadline = time.monotonic() + timeout_s
    request = urllib.request.Request(
        _checked(url), headers={"User-Agent": "llmos", "Accept-Encoding": "gzip"}
    )
    opener = urllib.request.OpenerDirector()
    for handler in (_Http(), _Https(), _Redirects(), _Errors(), urllib.request.UnknownHandler()):
        opener.add_handler(handler)
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    try:
        with opener.open(request, timeout=timeout_s) as response:
            return _read(response, deadline, max_bytes)
    except SyscallError:
        raise
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error) from None
    except TimeoutError:
        raise ETIME(f"no answer within {timeout_s:g} s: {url}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, SyscallError):
            raise error.reason from None
        if isinstance(error.reason, TimeoutError):
            raise ETIME(f"no answer within {timeout_s:g} s: {url}") from None
        raise EIO(f"{url} cannot be reached: {error.reason}") from None
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise EIO(f"{url} cannot be read: {type(error).__name__}: {error}") from None


def _checked(url: str) -> str:
    """The URL with what is not ASCII in quotes. Raises EINVAL."""
    if len(url) > MAX_URL or any(ord(one) < 33 or ord(one) == 127 for one in url):
        raise EINVAL(f"url: not a URL: {url[:100]!r}")
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
        host = (host or "").encode("idna").decode()
    except (ValueError, UnicodeError):
        raise EINVAL(f"url: not a URL: {url[:100]!r}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise EINVAL(f"url: expected http:// or https://, got {url[:100]!r}")
    if "@" in parts.netloc:
        raise EINVAL("url: it holds a user's name or a password, which are not sent")
    netloc = f"[{host}]" if ":" in host else host
    netloc += f":{parts.port}" if parts.port else ""
    path = urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    query = urllib.parse.quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]")
    return urllib.parse.urlunsplit((parts.scheme, netloc, path or "/", query, ""))


# ---- who may be spoken to -----------------------------------------------------------------


def _connect(address: tuple[str, int], timeout: Any = None, source: object = None) -> socket.socket:
    """As `socket.create_connection`, to what may be reached. Raises EPERM."""
    host, port = address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EIO(f"there is no host {host}: {error}") from None
    for *_, place in found:
        _check_address(host, str(place[0]))
    failure: OSError | None = None
    for family, kind, protocol, _, place in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(place)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure or OSError(f"{host} has no address")


def _check_address(host: str, text: str) -> None:
    address = ipaddress.ip_address(text.partition("%")[0])
    meant = _meant(address)
    if any(one in network for one in (address, meant) for network in _allowed()):
        return
    if not all(one.is_global and not one.is_multicast for one in (address, meant)):
        raise EPERM(
            f"{host} is {text}, which is not on the public network",
            hint=f"who runs the kernel may allow it: {ALLOW}={meant}",
        )


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _allowed() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    names = os.environ.get(ALLOW, "").split(",")
    try:
        return [ipaddress.ip_network(name.strip(), strict=False) for name in names if name.strip()]
    except ValueError as error:
        raise EIO(f"{ALLOW} is no list of networks: {error}") from None


class _HttpConnection(http.client.HTTPConnection):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._create_connection = _connect


class _HttpsConnection(http.client.HTTPSConnection):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._create_connection = _connect


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpConnection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpsConnection, req)


class _Errors(urllib.request.HTTPDefaultErrorHandler):
    pass


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS
    max_repeats = 2

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        return super().redirect_request(req, fp, code, msg, headers, _checked(newurl))


# ---- what came ----------------------------------------------------------------------------


def _read(response: http.client.HTTPResponse, deadline: float, max_bytes: int) -> Got:
    """As much as was asked for; what is packed is unpacked no further."""
    unpacker = (
        zlib.decompressobj(47) if response.headers.get("Content-Encoding") == "gzip" else None
    )
    data = bytearray()
    while len(data) <= max_bytes:
        if time.monotonic() > deadline:
            raise ETIME(f"{response.url} did not end in time; {len(data)} bytes had come")
        piece = response.read1(_CHUNK)
        if not piece:
            break
        while unpacker is not None and piece and len(data) <= max_bytes:
            data += unpacker.decompress(piece, _CHUNK)
            piece = unpacker.unconsumed_tail
        data += piece if unpacker is None else b""
    return Got(
        response.url,
        response.status,
        response.headers.get_content_type(),
        response.headers.get_content_charset() or "",
        bytes(data[:max_bytes]),
        len(data) > max_bytes,
    )


def _refused(error: urllib.error.HTTPError) -> SyscallError:
    words = f"{error.code} {error.reason}: {error.url}"
    if error.code in (404, 410):
        return ENOENT(words)
    if error.code in (401, 402, 403, 407, 451):
        return EPERM(words, hint="the server wants a login, or wants no programs")
    if error.code in (408, 425, 429, 500, 502, 503, 504):
        after = error.headers.get("Retry-After", "")
        return EAGAIN(words, hint=f"try again after {after} s" if after.isdigit() else "try later")
    return EIO(words)
