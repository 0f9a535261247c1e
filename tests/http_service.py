"""A small HTTP service on localhost, which remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


class Service:
    """`answers` by path; anything else is told back as JSON."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[dict[str, Any]] = []
        self.url = ""
        self.hung = threading.Event()

    def answer(self, asked: dict[str, Any]) -> Answer:
        self.asked.append(asked)
        path = asked["path"].partition("?")[0]
        if path.endswith("/hang"):
            self.hung.wait(30)
        told = json.dumps(asked, indent=1).encode()
        return self.answers.get(path, (200, {"Content-Type": "application/json"}, told))


@contextmanager
def service() -> Iterator[Service]:
    known = Service()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked = {
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": self.rfile.read(length).decode(),
            }
            status, headers, body = known.answer(asked)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield known
    finally:
        known.hung.set()
        server.shutdown()
        thread.join()
        server.server_close()
