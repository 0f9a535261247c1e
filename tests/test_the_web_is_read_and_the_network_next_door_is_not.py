"""Pages are read; what is not on the public network is refused, whatever it is called."""

from __future__ import annotations

import gzip
import http.server
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmos.plugins import http_get, web
from llmos.plugins.http_get import get
from llmos.plugins.web import web_download, web_fetch, web_read
from llmos.syscalls import Context, SyscallError
from simulation import Machine, live_really
from talking import call

ARTICLE = """<html><head><title>On  owls</title></head><body>
<nav><a href="/">Home</a> <a href="/about">About us and our menu</a></nav>
<article><h1>On owls</h1>
<p>Owls are birds of the night, which see well in the dark and hear even better than they see.
They turn their heads by more than a half, since their eyes do not move.</p>
<p>An owl lays <a href="/eggs">four to six eggs</a>, and hatches them in a hollow tree for a month,
while the other one brings mice, of which there are many in a good year.</p></article>
<footer>Imprint, cookies, advertisement</footer><script>var secret = 1</script></body></html>"""
BOMB = gzip.compress(b"\0" * (64 << 20))

Answer = tuple[int, dict[str, str], bytes]
HTML = {"Content-Type": "text/html; charset=utf-8"}
PLAIN = {"Content-Type": "text/plain"}
PAGES: dict[str, Answer] = {
    "/article": (200, HTML, ARTICLE.encode()),
    "/thin": (200, HTML, b"<title>T</title><p>Hi<script>no</script><style>no</style>"),
    "/latin": (200, {"Content-Type": "text/plain; charset=latin-1"}, "Ünïcode".encode("latin-1")),
    "/wrong": (200, {"Content-Type": "text/plain; charset=nonsense"}, "Ünïcode".encode()),
    "/data": (200, {"Content-Type": "application/json"}, b'{"a": 1}'),
    "/image": (200, {"Content-Type": "image/png"}, b"\x89PNG\0"),
    "/long": (200, PLAIN, b"0123456789" * 5000),
    "/huge": (200, PLAIN, b"x" * (3 << 20)),
    "/zip": (200, PLAIN | {"Content-Encoding": "gzip"}, gzip.compress(b"unpacked")),
    "/bomb": (200, PLAIN | {"Content-Encoding": "gzip"}, BOMB),
    "/broken": (200, PLAIN | {"Content-Encoding": "gzip"}, b"nonsense"),
    "/moved": (302, {"Location": "/data"}, b""),
    "/loop": (302, {"Location": "/loop"}, b""),
    "/to-file": (302, {"Location": "file:///etc/passwd"}, b""),
    "/to-metadata": (302, {"Location": "http://169.254.169.254/latest"}, b""),
    "/to-name": (302, {"Location": "http://user:pass@127.0.0.1/"}, b""),
    "/busy": (429, {"Retry-After": "7"}, b""),
    "/login": (401, {}, b""),
    "/teapot": (418, {}, b""),
}


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, headers, body = PAGES.get(self.path, (404, {}, b""))
        if self.path == "/%C3%BCn%C3%AF?q=%C3%A4":
            status, headers, body = 200, PLAIN, b"quoted"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # nobody wants the rest
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """One that may be reached."""
    monkeypatch.setenv(http_get.ALLOW, "127.0.0.1, ::1")
    return f"http://127.0.0.1:{port}"


def failing(function: Callable[..., object], *arguments: object, **named: object) -> str:
    with pytest.raises(SyscallError) as caught:
        function(*arguments, **named)
    return str(caught.value)


def test_a_page_is_read_without_its_furniture(site: str) -> None:
    text = web_read(f"{site}/article")
    assert text.startswith("# On owls\n") and "hear even better" in text
    assert "[four to six eggs]" in text
    assert "Imprint" not in text and "About us" not in text and "secret" not in text
    assert web_read(f"{site}/thin") == "# T\n\nHi"
    assert web_read(f"{site}/data") == '{"a": 1}'


def test_a_text_is_fetched_as_it_is(site: str) -> None:
    assert web_fetch(f"{site}/article") == ARTICLE
    assert web_fetch(f"{site}/data") == '{"a": 1}'
    assert web_fetch(f"{site}/moved") == '{"a": 1}'
    assert web_fetch(f"{site}/zip") == "unpacked"
    assert web_fetch(f"{site}/latin") == "Ünïcode"
    assert web_fetch(f"{site}/wrong") == "Ünïcode"
    assert web_fetch(f"{site}/ünï?q=ä") == "quoted"
    assert failing(web_fetch, f"{site}/image") == (
        f"EINVAL: {site}/image is image/png, 5 bytes, and no text"
        " (web_download writes it to a file)"
    )


def test_what_is_long_comes_in_parts(site: str) -> None:
    first = web_fetch(f"{site}/long")
    assert first.endswith("(there are 30000 more characters: start=20000 goes on)")
    assert web_fetch(f"{site}/long", start=40_000) == "0123456789" * 1000
    assert failing(web_fetch, f"{site}/long", start=50_000).startswith("EINVAL: start: ")


def test_what_is_huge_or_packed_too_well_is_cut(site: str) -> None:
    assert len(get(f"{site}/huge", timeout_s=5, max_bytes=1000).data) == 1000
    got = get(f"{site}/bomb", timeout_s=5, max_bytes=1 << 20)
    assert got.cut and len(got.data) == 1 << 20
    assert failing(web_fetch, f"{site}/broken").startswith("EIO: ")


def test_a_file_is_put_into_the_folder(site: str, tmp_path: Path) -> None:
    ctx = Context(pid=3, call_id="c", root=tmp_path)
    assert web_download(ctx, f"{site}/image", "a.png") == "wrote 5 bytes of image/png to a.png"
    assert (tmp_path / "a.png").read_bytes() == b"\x89PNG\0"
    assert failing(web_download, ctx, f"{site}/image", "../a.png").startswith("EPERM: ")
    assert failing(web_download, ctx, f"{site}/image", "/etc/a.png").startswith("EPERM: ")


def test_errors_of_servers_are_told_apart(site: str) -> None:
    assert failing(web_fetch, f"{site}/nowhere") == f"ENOENT: 404 Not Found: {site}/nowhere"
    assert failing(web_fetch, f"{site}/login").startswith("EPERM: 401 ")
    assert failing(web_fetch, f"{site}/busy").endswith("/busy (try again after 7 s)")
    assert failing(web_fetch, f"{site}/teapot").startswith("EIO: 418 ")
    assert failing(web_fetch, f"{site}/loop").startswith("EIO: 302 ")


def test_a_redirect_leads_nowhere_else(site: str) -> None:
    assert "'file:///etc/passwd' is not allowed" in failing(web_fetch, f"{site}/to-file")
    assert failing(web_fetch, f"{site}/to-metadata").startswith(
        "EPERM: 169.254.169.254 is 169.254.169.254, which is not on the public network"
    )
    assert failing(web_fetch, f"{site}/to-name").startswith("EINVAL: url: it holds")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0",
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "224.0.0.1",
        "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fc00::1]", "[ff02::1]",
    ],
)  # fmt: skip
def test_the_network_next_door_is_refused(port: int, host: str) -> None:
    told = failing(web_fetch, f"http://{host}:{port}/data")
    assert told.startswith("EPERM: ") and "LLMOS_WEB_ALLOW=" in told, told


def test_a_name_that_changes_its_mind_is_no_way_in(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is resolved once, and where it leads then is where the connection goes."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, *rest: object, **named: object) -> object:
        asked.append(host)
        address = "127.0.0.1" if len(asked) > 1 else "203.0.113.7" if "x" in host else "192.0.2.1"
        return real(address, *rest, **named)  # type: ignore[arg-type]

    connected: list[object] = []

    def connect(self: socket.socket, place: object) -> None:
        connected.append(place)
        raise OSError("far away")

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(ipaddress.IPv4Address, "is_global", True)
    monkeypatch.setattr(socket.socket, "connect", connect)
    assert failing(web_fetch, f"http://x.example:{port}/data").startswith("EIO: ")
    assert asked == ["x.example"] and connected == [("203.0.113.7", port)]


def test_one_private_address_among_others_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(2, 1, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it was spoken to"))
    assert failing(web_fetch, "http://both.example/").startswith("EPERM: both.example is 10.0.0.1")


@pytest.mark.parametrize(
    "url",
    [
        "", "data", "file:///etc/passwd", "ftp://example.org/", "gopher://127.0.0.1/",
        "http://", "http:///x", "http://a b/", "http://a\r\nX: y/", "http://a\0b/", "http://[::1",
        "http://example.org:port/", "http://user:pass@example.org/", "http://" + "a" * 5000,
        "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused(url: str) -> None:
    assert failing(web_fetch, url).startswith("EINVAL: url: ")


def test_a_server_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(http_get.ALLOW, "127.0.0.1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(SyscallError) as caught:
            get(url, timeout_s=0.2, max_bytes=10)
    assert str(caught.value) == f"ETIME: no answer within 0.2 s: {url}"


def test_an_agent_that_names_it_uses_it(site: str, tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        agent = await kernel.spawn(
            task=None, name="a", root=tmp_path, interactive=True, tools=("web_read",)
        )
        assert "birds of the night" in await call(kernel, agent, "web_read", url=f"{site}/article")
        told = await call(kernel, agent, "web_read", url="http://10.0.0.1/")
        assert told.startswith("EPERM: ")

    live_really(tmp_path / "kernel", main)


def test_nothing_of_it_is_loaded_with_the_kernel() -> None:
    import subprocess
    import sys

    code = (
        "import sys, llmos.kernel.boot, llmos.plugins.web, llmos.plugins.sql, llmos.plugins.code,"
        " llmos.plugins.git, llmos.plugins.clock\n"
        "print([m for m in ('trafilatura', 'lxml', 'duckdb', 'cronsim', 'bs4', 'http.server')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    assert web.TIMEOUT_S < 60
