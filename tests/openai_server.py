"""A small server that speaks OpenAI's chat completions as the test says: also badly."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Piece = str | bytes | float | Callable[[], object]
"""What is sent (a text is said, bytes go out as they are), waited for, or done."""

CUT = b""
"""The end of the connection, as an answer's last piece."""


class Refusal:
    """An answer that is none."""

    def __init__(self, status: int, words: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.content = json.dumps({"error": {"message": words}}).encode()


Answer = Refusal | Sequence[Piece] | Iterator[Piece]


def event(delta: dict[str, Any] | None, finish: str | None = None, **fields: Any) -> bytes:
    """One object of a stream."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({"choices": choices, **fields}).encode() + b"\n\n"


def usage(tokens_in: int, tokens_out: int, cached: int = 0) -> bytes:
    counted = {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return event(None, usage=counted)


DONE = b"data: [DONE]\n\n"


def said(text: str, tokens_in: int = 40) -> list[Piece]:
    """A good answer, a word a token."""
    words = text.replace(" ", " \n").split("\n")
    return [*words, event({}, "stop"), usage(tokens_in, len(words)), DONE]


def called(*pieces: list[dict[str, Any]]) -> list[Piece]:
    """An answer of calls, in these pieces."""
    return [*(event({"tool_calls": piece}) for piece in pieces), event({}, "tool_calls"), DONE]


class FakeServer:
    """`script` is asked with each request's body, and how many came before it."""

    def __init__(self) -> None:
        self.script: Callable[[Body, int], Answer] = lambda body, number: said("well")
        self.models: list[dict[str, Any]] = [{"id": "fake"}]
        self.key = ""
        self.tells_key = False
        self.asked: list[Body] = []
        self.hung_up = threading.Event()
        """A client has gone in the middle of an answer."""
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def authorized(self, header: str) -> bool:
        return not self.key or header == f"Bearer {self.key}"


@contextmanager
def serving(server: FakeServer, port: int = 0) -> Iterator[FakeServer]:
    """On a port, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._enters():
                found = self.path == "/v1/models"
                self._reply(200 if found else 404, {"data": server.models} if found else {})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length))
            if not self._enters():
                return
            if self.path != "/v1/chat/completions":
                self._reply(404, {"detail": "Not Found"})
                return
            server.asked.append(body)
            answer = server.script(body, len(server.asked) - 1)
            if isinstance(answer, Refusal):
                self._send(answer.status, answer.content, answer.headers)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                for piece in answer:
                    self._put(piece)
            except OSError:
                server.hung_up.set()

        def _put(self, piece: Piece) -> None:
            if callable(piece):
                piece()
            elif isinstance(piece, float):
                time.sleep(piece)
            else:
                self.wfile.write(event({"content": piece}) if isinstance(piece, str) else piece)

        def _enters(self) -> bool:
            given = self.headers.get("Authorization") or ""
            if server.authorized(given):
                return True
            told = f": {given}" if server.tells_key else ""
            self._reply(401, {"error": f"Unauthorized{told}"})
            return False

        def _reply(self, status: int, content: object) -> None:
            self._send(status, json.dumps(content).encode(), {})

        def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    http.daemon_threads = True
    server.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
