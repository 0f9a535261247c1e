"""One server that speaks OpenAI's chat completions: what it can do, its health, and its errors in
our words.

A key stays in the memory of this file: it is in no message, and what a server says of it is struck
out. It is sent nowhere but to the endpoint: redirects are not followed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from .driver import EngineRefused, EngineUnusable, PromptTooLong, Totals
from .openai_answer import Answer, StreamBroken, chunks

log = logging.getLogger(__name__)
logging.getLogger("httpx2").setLevel(logging.WARNING)

CONNECT_S = 10.0
PROBE_S = 15.0
LONGEST_WORDS = 400
SAMPLE = "The quick brown fox jumps over the lazy dog; then it writes a file of 42 lines."

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_TOO_LONG = re.compile(r"context.?(?:length|window|size)|too many tokens", re.I)
_WINDOW = re.compile(r"context.?(?:length|window|size)\D{0,20}(\d+) tokens", re.I)
_PROMPT = re.compile(
    r"(?:at least|contains|requested|resulted in|has)\D{0,12}(\d+)\D{0,7}(?:input )?tokens", re.I
)
_OPTIONAL = ("stream_options", "continue_final_message", "add_generation_prompt")
_RENAMED = {"max_tokens": "max_completion_tokens"}


class ServerGone(Exception):
    """It does not answer: nothing can be asked of it before it does again."""


class ServerFailed(Exception):
    """It answered, but could not do it. Others, or it itself a little later, may be able to."""


class ServerBusy(Exception):
    """It asks to be left alone for so many seconds; None: it does not say for how long."""

    def __init__(self, words: str, retry_s: float | None) -> None:
        super().__init__(words)
        self.retry_s = retry_s


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a model on a server. `is_vllm`: it goes on from an answer that was begun."""

    model: str
    window_tokens: int | None
    is_vllm: bool


class Server:
    """Owned by the driver, which says when it is up. `running` requests are on it now."""

    def __init__(self, endpoint: str, model: str, key: str, read_timeout_s: float) -> None:
        self.endpoint = endpoint
        self.model = model
        self.window_tokens: int | None = None
        self.continues = False
        self.tokenizes = False
        self.up = False
        self.words = "not asked yet"
        """Why it is not up."""
        self.rests_until = 0.0
        self.retry_at = 0.0
        self.failures = 0
        self.running = 0
        self.totals = Totals()
        self._key = key
        self._dropped: set[str] = set()  # fields that it does not know
        url = urlsplit(endpoint)
        self._root = endpoint.removesuffix("/v1")
        self._http = httpx2.AsyncClient(
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(PROBE_S, connect=CONNECT_S, read=read_timeout_s, pool=None),
            limits=httpx2.Limits(max_connections=None),
            follow_redirects=False,
            trust_env=url.hostname not in _LOOPBACK,
        )

    async def close(self) -> None:
        with contextlib.suppress(Exception):
            await self._http.aclose()

    # ---- what it can do -------------------------------------------------------------------

    async def probe(self) -> None:
        """Ask what it has. Raises ServerGone, EngineUnusable."""
        answer = await self._get(f"{self.endpoint}/models")
        if answer.status_code == 401 or answer.status_code == 403:
            raise EngineUnusable(self._unauthorized())
        if answer.status_code == 404:
            raise EngineUnusable(
                f"{self.endpoint} has no /models: is it the right address? It mostly ends in /v1"
            )
        if answer.status_code != 200:
            raise ServerGone(f"{self.endpoint}: {self._words(answer.status_code, answer.text)}")
        found = self._find(answer)
        self.model, self.window_tokens = found.model, found.window_tokens
        self.continues = found.is_vllm and "continue_final_message" not in self._dropped
        self.tokenizes = (
            await self.count({"prompt": SAMPLE}) is not None if found.is_vllm else False
        )

    def _find(self, answer: httpx2.Response) -> Found:
        try:
            listed = {str(one["id"]): one for one in answer.json()["data"]}
        except (ValueError, KeyError, TypeError):
            raise EngineUnusable(
                f"{self.endpoint} speaks another language than OpenAI's: {answer.text[:80]!r}"
            ) from None
        model = self.model or (next(iter(listed)) if len(listed) == 1 else "")
        if model not in listed:
            model = f"{model}:latest" if f"{model}:latest" in listed else model
        if model not in listed:
            there = ", ".join(sorted(listed)[:20]) or "none"
            asked = f"no model {model}" if model else "several models, and --model names none"
            raise EngineUnusable(f"{self.endpoint} has {asked}; there are: {there}")
        about = listed[model]
        window = about.get("max_model_len")
        return Found(
            model, window if isinstance(window, int) else None, about.get("owned_by") == "vllm"
        )

    async def count(self, fields: dict[str, Any]) -> int | None:
        """Tokens of a prompt or messages, by the server's tokenizer; None if it does not tell.
        Raises ServerGone, EngineRefused."""
        body = {"model": self.model, **fields}
        try:
            answer = await self._http.post(f"{self._root}/tokenize", json=body)
        except httpx2.HTTPError as error:
            raise ServerGone(self._unreachable(error)) from None
        if answer.status_code == 400:
            raise EngineRefused(f"{self.endpoint}: {self._words(400, answer.text)}")
        if answer.status_code != 200:
            return None
        try:
            return int(answer.json()["count"])
        except (ValueError, KeyError, TypeError):
            return None

    async def _get(self, url: str) -> httpx2.Response:
        try:
            return await self._http.get(url, timeout=PROBE_S)
        except httpx2.HTTPError as error:
            raise ServerGone(self._unreachable(error)) from None

    # ---- requests -------------------------------------------------------------------------

    async def stream(self, body: dict[str, Any], answer: Answer) -> AsyncIterator[tuple[str, bool]]:
        """The answer takes what comes, and what `Answer.take` says is handed on. Closing it ends
        the request on the server. Raises ServerGone, ServerBusy, ServerFailed, EngineRefused."""
        while True:
            sent = self._adapted(body)
            try:
                async with self._http.stream(
                    "POST", f"{self.endpoint}/chat/completions", json=sent
                ) as reply:
                    if reply.status_code == 200:
                        async with contextlib.aclosing(chunks(reply.aiter_lines())) as items:  # type: ignore[type-var]
                            async for chunk in items:
                                self._check(chunk)
                                yield answer.take(chunk)
                        return
                    await reply.aread()
                    if not self._learns(reply, sent):
                        raise self._error(reply)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                raise ServerGone(self._unreachable(error)) from None
            except httpx2.TimeoutException:
                raise ServerFailed(f"{self.endpoint} has said nothing for too long") from None
            except httpx2.HTTPError as error:
                raise ServerFailed(f"{self.endpoint} broke off: {_told(error)}") from None
            except StreamBroken as error:
                raise ServerFailed(f"{self.endpoint}: {self._struck(str(error))}") from None

    def _adapted(self, body: dict[str, Any]) -> dict[str, Any]:
        """Without what this server does not know."""
        kept = {name: value for name, value in body.items() if name not in self._dropped}
        for name, other in _RENAMED.items():
            if name in body and name in self._dropped:
                kept[other] = body[name]
        return kept

    def _learns(self, answer: httpx2.Response, sent: dict[str, Any]) -> bool:
        """Does it refuse something that it can do without?"""
        if answer.status_code not in (400, 422):
            return False
        words = answer.text
        refused = {name for name in _OPTIONAL if name in sent and name in words}
        refused |= {old for old, new in _RENAMED.items() if old in sent and new in words}
        if not refused:
            return False
        if "continue_final_message" in refused:
            self.continues = False
            self._dropped.add("continue_final_message")
            raise ServerFailed(f"{self.endpoint} does not go on from an answer that was begun")
        self._dropped |= refused
        return True

    def _check(self, chunk: dict[str, Any]) -> None:
        """A server that fails in the middle says so in the stream."""
        error = chunk.get("error")
        if not error:
            return
        words = error.get("message") if isinstance(error, dict) else error
        status = error.get("code") if isinstance(error, dict) else None
        told = self._words(status if isinstance(status, int) else 500, str(words))
        if status == 400:
            raise self._too_long(told) or EngineRefused(f"{self.endpoint}: {told}")
        raise ServerFailed(f"{self.endpoint}: {told}")

    # ---- errors ---------------------------------------------------------------------------

    def _error(self, answer: httpx2.Response) -> Exception:
        status = answer.status_code
        told = self._words(status, answer.text)
        words = f"{self.endpoint}: {told}"
        if status in (401, 403):
            return EngineRefused(self._unauthorized())
        if status == 429:
            if "insufficient_quota" in answer.text:
                return EngineRefused(words)
            return ServerBusy(words, _retry_s(answer))
        if status in (408, 409, 425) or status >= 500:
            return ServerFailed(words)
        if status in (400, 413, 422):
            return self._too_long(told) or EngineRefused(words)
        return EngineRefused(words)

    def _too_long(self, words: str) -> PromptTooLong | None:
        """The refusal, if it is of a prompt that the window does not hold."""
        if not _TOO_LONG.search(words):
            return None
        window, prompt = _WINDOW.search(words), _PROMPT.search(words)
        return PromptTooLong(
            f"{self.endpoint}: {words}",
            int(prompt[1]) if prompt else None,
            int(window[1]) if window else None,
        )

    def _unauthorized(self) -> str:
        if self._key:
            return f"{self.endpoint} does not take the key (401): is it the one of this server?"
        return f"{self.endpoint} wants a key (401): --key-env names the variable that holds it"

    def _unreachable(self, error: httpx2.HTTPError) -> str:
        return f"{self.endpoint} does not answer: {_told(error)}"

    def _words(self, status: int, text: str) -> str:
        """What a server says went wrong."""
        with contextlib.suppress(ValueError, AttributeError):
            content = json.loads(text)
            found = content.get("error", content.get("message", text))
            text = found.get("message", text) if isinstance(found, dict) else str(found)
        told = " ".join(self._struck(text).split())[:LONGEST_WORDS]
        return f"{told or 'it does not say why'} ({status})"

    def _struck(self, text: str) -> str:
        return text.replace(self._key, "(the key)") if self._key else text


def _told(error: Exception) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time"
    cause = str(error) or type(error).__name__
    return "connection refused" if "All connection attempts failed" in cause else cause


def _retry_s(answer: httpx2.Response) -> float | None:
    with contextlib.suppress(ValueError):
        return max(0.0, float(answer.headers.get("retry-after", "")))
    return None
