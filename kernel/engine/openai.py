"""The openai driver: one or several servers that speak OpenAI's chat completions, as one engine.

Ollama, a remote vLLM, Ray Serve and hosted models speak it. What a server keeps to itself is not
known here: its KV blocks (admission is by slots), its tokenizer (a guess takes its place where
there is no /tokenize), and mostly what is cached before an answer is over. `openai_server.py` is
one server, `openai_fleet.py` says which of them gets a prompt, `openai_answer.py` reads what it
streams.

A draft is its text here, since nobody tells token ids: a number says of each token whether it shows
text or not. A server of vLLM's goes on after that text; others generate the answer anew.

Requests of a server that goes away are submitted again to another one. When none is left, the
engine counts as dead, and as started again as soon as one of them answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...memory.draft import EMPTY, Draft
from ..messages import ServerInfo
from .driver import (
    Capacity,
    ChatRequest,
    Completion,
    Correction,
    Costs,
    Delta,
    EngineDied,
    EngineRefused,
    EngineUnusable,
    Item,
    Prefill,
    Progress,
    Prompt,
    PromptTooLong,
    Totals,
)
from .openai_answer import Answer
from .openai_fleet import FIRST_RETRY_S, LONGEST_RETRY_S, Fleet, chain
from .openai_request import HIDDEN, SHOWN, body, chat_messages, described, kept_of
from .openai_server import SAMPLE, Server, ServerBusy, ServerFailed, ServerGone
from .openai_tokens import TokenGauge

log = logging.getLogger(__name__)

SEQS_OF_A_SERVER = 16
UNKNOWN_WINDOW = 4096
"""Where neither a server nor the user says: what Ollama takes when nobody tells it otherwise."""

PATIENCE_S = 30.0
"""For how long the first server may be away at the first start."""

MAX_TRIES = 6
"""Of one request, without a token between them."""

LONGEST_REST_S = 60.0
"""That a server may ask for, before the process is told instead."""

READ_TIMEOUT_S = 600.0
"""A server may first have to load the model, and then compute a long prompt."""


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """What a user may choose. `key_env` names the environment variable with the key; None for
    `max_num_seqs` is so many for each server."""

    endpoints: tuple[str, ...]
    model: str = ""
    key_env: str = ""
    context_length: int | None = None
    max_num_seqs: int | None = None
    patience_s: float = PATIENCE_S
    read_timeout_s: float = READ_TIMEOUT_S


class OpenAIDriver:
    """`EngineDriver` over HTTP."""

    name = "openai"

    def __init__(self, settings: OpenAISettings) -> None:
        self.model = settings.model
        self.totals = Totals()
        self.costs: Costs | None = None
        self._settings = settings
        self._fleet = Fleet([])
        self._gauge = TokenGauge()
        self._window = settings.context_length or UNKNOWN_WINDOW
        self._dead = asyncio.Event()
        self._mender: asyncio.Task[None] | None = None
        self._was_ready = False

    # ---- life -----------------------------------------------------------------------------

    async def start(self, progress: Progress) -> Capacity:
        settings = self._settings
        servers = self._made()
        self._fleet = Fleet(servers)
        loop = asyncio.get_running_loop()
        gives_up = loop.time() + settings.patience_s
        for wait_s in _backoff():
            progress(f"asking {', '.join(settings.endpoints)}")
            await self._fleet.probe(servers)
            if self._fleet.up:
                break
            words = "; ".join(server.words for server in servers)
            if not self._was_ready and loop.time() >= gives_up:
                raise EngineUnusable(f"{words}. Is it running, and is the address right?")
            progress(f"{words}; asked again in {wait_s:g} s")
            await asyncio.sleep(wait_s)
        first = self._fleet.up[0]
        self.model, self._was_ready = first.model, True
        windows = [one.window_tokens for one in self._fleet.up if one.window_tokens]
        self._window = min(
            [*windows, settings.context_length or max(windows, default=UNKNOWN_WINDOW)]
        )
        if not windows and settings.context_length is None:
            log.warning(
                "%s does not say how long its window is; taken for %d tokens, unless "
                "--context-length says more",
                first.endpoint,
                self._window,
            )
        await self._calibrate(first)
        self._dead.clear()
        self._mender = asyncio.create_task(self._fleet.mend())
        slots = settings.max_num_seqs or SEQS_OF_A_SERVER * len(servers)
        further = slots // 8
        return Capacity(
            max_num_seqs=slots - further,
            window_tokens=self._window,
            kv_cache_tokens=0,
            interactive_seqs=further,
            goes_on=all(one.continues for one in self._fleet.up),
            elsewhere=True,
        )

    def _made(self) -> list[Server]:
        settings, key = self._settings, ""
        if settings.key_env:
            key = os.environ.get(settings.key_env, "").strip()
            if not key:
                raise EngineUnusable(
                    f"the environment variable {settings.key_env} holds no key: set it, and boot"
                    " the kernel from there"
                )
        return [
            Server(endpoint, settings.model, key, settings.read_timeout_s)
            for endpoint in settings.endpoints
        ]

    async def _calibrate(self, server: Server) -> None:
        if server.tokenizes:
            with contextlib.suppress(ServerGone, EngineRefused):
                count = await server.count({"prompt": SAMPLE})
                self._gauge.learn(len(SAMPLE.encode()), count or 0)

    async def wait_until_dead(self) -> None:
        await self._dead.wait()

    async def stop(self) -> None:
        if self._mender is not None:
            self._mender.cancel()
            await asyncio.gather(self._mender, return_exceptions=True)
            self._mender = None
        servers, self._fleet = self._fleet.servers, Fleet([])
        await asyncio.gather(*(server.close() for server in servers))

    @property
    def load(self) -> None:
        """Servers do not tell which blocks they hold for whom."""
        return None

    def servers(self) -> list[ServerInfo]:
        """How each of them is, for `status`."""
        now = asyncio.get_running_loop().time()
        return [
            ServerInfo(
                endpoint=one.endpoint,
                state="down" if not one.up else "resting" if one.rests_until > now else "up",
                detail=one.words,
                running=one.running,
                requests=one.totals.requests,
                tokens_in=one.totals.tokens_in,
                tokens_cached=one.totals.tokens_cached,
                tokens_out=one.totals.tokens_out,
            )
            for one in self._fleet.servers
        ]

    # ---- prompts --------------------------------------------------------------------------

    async def render(self, request: ChatRequest) -> Prompt:
        """Exact where a server has a tokenizer, else a guess."""
        tools, tool_bytes = described(request.tools)
        num_tokens = await self._counted_there(request, tools, tool_bytes)
        if num_tokens is None:
            num_tokens = self._gauge.of_request(request, tool_bytes)
        if num_tokens >= self._window:
            raise PromptTooLong(
                f"the prompt has {num_tokens} tokens, the window {self._window}", num_tokens
            )
        return Prompt(request, num_tokens, chain(request))

    async def _counted_there(
        self, request: ChatRequest, tools: list[dict[str, Any]], tool_bytes: int
    ) -> int | None:
        for server in self._fleet.up:
            if not server.tokenizes:
                continue
            fields = {"messages": chat_messages(request.messages)}
            try:
                count = await server.count(fields | ({"tools": tools} if tools else {}))
            except ServerGone:
                continue  # who generates will see it
            if count is not None:
                self._gauge.learn(self._gauge.num_bytes(request, tool_bytes), count)
                return count
        return None

    def count_tokens(self, text: str) -> int:
        return self._gauge.of_text(text)

    # ---- answers --------------------------------------------------------------------------

    async def generate(self, prompt: Prompt, draft: Draft = EMPTY) -> AsyncIterator[Item]:
        ids, text = list(draft.token_ids), draft.text
        failed: list[Server] = []
        while True:
            server = await self._chosen(prompt, failed)
            before = len(ids)
            try:
                stream = self._attempt(server, prompt, Draft(tuple(ids), text))
                async with contextlib.aclosing(stream):  # type: ignore[type-var]
                    async for item in stream:
                        match item:
                            case Prefill(draft_tokens=kept):
                                del ids[kept:]
                            case Delta():
                                ids += item.token_ids
                                text += item.text
                        self.totals = self.totals.plus(item)
                        server.totals = server.totals.plus(item)
                        yield item
                return
            except ServerGone as error:
                self._fleet.is_down(server, str(error))
            except (ServerBusy, ServerFailed) as error:
                if len(ids) > before:
                    failed.clear()  # it gets on, if by and by
                failed.append(server)
                self._rest(server, error, failed)

    async def _chosen(self, prompt: Prompt, failed: Sequence[Server]) -> Server:
        """Where it goes, when that can take it. Raises EngineDied if none is up."""
        loop = asyncio.get_running_loop()
        while True:
            server = self._fleet.choose(prompt.payload, loop.time(), failed)
            if server is None:
                self._dead.set()
                raise EngineDied("no server answers")
            rest_s = server.rests_until - loop.time()
            if rest_s <= 0:
                self._fleet.sent(server, prompt.payload)
                return server
            await asyncio.sleep(min(rest_s, LONGEST_RETRY_S))

    def _rest(
        self, server: Server, error: ServerBusy | ServerFailed, failed: Sequence[Server]
    ) -> None:
        """Leave it alone for a while. Raises EngineRefused when it has been long enough."""
        rest_s = FIRST_RETRY_S * 2 ** (len(failed) - 1)
        if isinstance(error, ServerBusy) and error.retry_s is not None:
            rest_s = error.retry_s
        busy = "EAGAIN: " if isinstance(error, ServerBusy) else ""
        if rest_s > LONGEST_REST_S or len(failed) >= MAX_TRIES:
            again = f"; try again in {rest_s:.0f} s" if busy else f", {len(failed)} times in a row"
            raise EngineRefused(f"{busy}{error}{again}")
        log.warning("%s; left alone for %g s", error, rest_s)
        server.rests_until = asyncio.get_running_loop().time() + rest_s

    async def _attempt(self, server: Server, prompt: Prompt, draft: Draft) -> AsyncIterator[Item]:
        """One submission, to this server. Raises what `Server.stream` does."""
        kept = kept_of(draft) if server.continues else 0
        begun = draft.text if kept else ""
        answer, counted, told = Answer(), 0, len(draft.text) - len(begun)
        prefill: Prefill | None = None
        server.running += 1
        try:
            stream = server.stream(body(server, prompt, begun, self._window), answer)
            async with contextlib.aclosing(stream):  # type: ignore[type-var]
                async for text, brings in stream:
                    if prefill is None:
                        tokens_in = answer.tokens_in or prompt.num_tokens + kept
                        prefill = Prefill(tokens_in, answer.tokens_cached or 0, kept)
                        yield prefill
                    fresh = max((answer.tokens_out or 0) - counted, 1 if brings else 0)
                    if fresh:
                        counted += fresh
                        shown, told = text[told:], max(0, told - len(text))
                        yield Delta(shown, fresh, (SHOWN if text else HIDDEN,) * fresh)
        except ServerFailed:
            if not answer.finish_reason:  # else only the account of it is missing
                raise
        finally:
            server.running -= 1
        if prefill is None or not (answer.finish_reason or answer.text or answer.calls()):
            raise ServerFailed(f"{server.endpoint} ended the stream before the answer")
        correction = self._correction(prefill, answer, prompt)
        if correction is not None:
            yield correction
        yield Completion(
            text=begun + answer.text,
            calls=answer.calls(),
            finish_reason=answer.finish_reason or "stop",
            tokens_in=answer.tokens_in or prefill.tokens_in,
            tokens_cached=answer.tokens_cached or prefill.tokens_cached,
            tokens_out=counted,
        )

    def _correction(self, prefill: Prefill, answer: Answer, prompt: Prompt) -> Correction | None:
        if answer.tokens_in is None:
            return None
        if not prefill.draft_tokens:
            _, tool_bytes = described(prompt.request.tools)
            self._gauge.learn(self._gauge.num_bytes(prompt.request, tool_bytes), answer.tokens_in)
        more = answer.tokens_in - prefill.tokens_in
        cached = (answer.tokens_cached or 0) - prefill.tokens_cached
        return Correction(more, cached) if more or cached else None


def _backoff() -> Iterator[float]:
    """Seconds between tries, without an end."""
    wait_s = FIRST_RETRY_S
    while True:
        yield wait_s
        wait_s = min(2 * wait_s, LONGEST_RETRY_S)
