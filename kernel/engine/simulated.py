"""The simulated engine: deterministic, discrete-event, for tests of the kernel at scale.

It has what scheduling and paging depend on (a batch with a step time, prefill and decode costs, a
prefix cache in blocks, an upper bound on sequences) and no model: a *script* says what the
assistant answers. Tokens are words. Time is the event loop's, so that under a virtual clock
thousands of processes run in milliseconds, the same way twice. Never what a user gets.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from .driver import (
    Capacity,
    ChatRequest,
    Completion,
    Delta,
    EngineDied,
    EngineRefused,
    Progress,
    Prompt,
    ToolCall,
)

BLOCK_TOKENS = 16
_WORDS = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the script makes the assistant say."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()  # (name, JSON arguments)


Script = Callable[[ChatRequest], Reply]


def echo(request: ChatRequest) -> Reply:
    """The default script. `call NAME {json}` calls a syscall, its result is the answer;
    `count N` says the numbers up to N; anything else is said back."""
    last = request.messages[-1]
    if last.role == "tool":
        return Reply(last.text)
    verb, _, rest = last.text.partition(" ")
    if verb == "call":
        name, _, arguments = rest.partition(" ")
        return Reply(calls=((name, arguments or "{}"),))
    if verb == "count" and rest.isdigit():
        return Reply(" ".join(str(number) for number in range(1, int(rest) + 1)))
    return Reply(f"You said: {last.text}")


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds; the defaults are of the order of a small model on a small machine."""

    start_s: float = 0.05
    step_s: float = 0.002
    prefill_token_s: float = 0.00002
    decode_sequence_s: float = 0.0001


@dataclass(slots=True)
class _Sequence:
    prompt: Prompt
    reply: Reply
    words: deque[str]
    calls: tuple[ToolCall, ...]
    tokens_cached: int = 0
    prefilled: bool = False
    tokens_out: int = 0
    outbox: asyncio.Queue[Delta | Completion | EngineDied] = field(default_factory=asyncio.Queue)


class SimulatedDriver:
    """`EngineDriver` without an engine."""

    name = "simulated"

    def __init__(
        self,
        script: Script = echo,
        costs: Costs = Costs(),
        capacity: Capacity = Capacity(64, 4096, 65536),  # noqa: B008
    ) -> None:
        self.model = "simulated"
        self._script = script
        self._costs = costs
        self._capacity = capacity
        self._waiting: deque[_Sequence] = deque()
        self._running: list[_Sequence] = []
        self._cache: OrderedDict[int, None] = OrderedDict()
        self._call_ids = itertools.count(1)
        self._work = asyncio.Event()
        self._died = asyncio.Event()
        self._stepper: asyncio.Task[None] | None = None

    async def start(self, progress: Progress) -> Capacity:
        progress("starting the simulated engine")
        await asyncio.sleep(self._costs.start_s)
        self._died.clear()
        self._stepper = asyncio.create_task(self._step_forever())
        return self._capacity

    async def render(self, request: ChatRequest) -> Prompt:
        words = [word for message in request.messages for word in _split(message.text)]
        words[:0] = [tool.name for tool in request.tools]
        if len(words) >= self._capacity.window_tokens:
            raise EngineRefused(
                f"the prompt has {len(words)} tokens, the window {self._capacity.window_tokens}"
            )
        return Prompt(request, len(words), tuple(words))

    def count_tokens(self, text: str) -> int:
        return len(_split(text))

    async def generate(self, prompt: Prompt) -> AsyncIterator[Delta | Completion]:
        if self._stepper is None or self._died.is_set():
            raise EngineDied("the simulated engine is not running")
        reply = self._script(prompt.request)
        calls = tuple(
            ToolCall(f"call-{next(self._call_ids)}", name, arguments)
            for name, arguments in reply.calls
        )
        cost = [*_split(reply.text), *(_split(json.dumps(reply.calls)) if calls else ())]
        sequence = _Sequence(prompt, reply, deque(cost or [""]), calls)
        self._waiting.append(sequence)
        self._work.set()
        try:
            while True:
                item = await sequence.outbox.get()
                if isinstance(item, EngineDied):
                    raise item
                yield item
                if isinstance(item, Completion):
                    return
        finally:
            self._drop(sequence)

    async def wait_until_dead(self) -> None:
        await self._died.wait()

    async def stop(self) -> None:
        if self._stepper is not None:
            self._stepper.cancel()
            self._stepper = None

    def crash(self) -> None:
        """The engine process dies, as if killed: all that is in flight is lost."""
        for sequence in (*self._running, *self._waiting):
            sequence.outbox.put_nowait(EngineDied("the simulated engine was crashed"))
        self._running.clear()
        self._waiting.clear()
        self._cache.clear()
        if self._stepper is not None:
            self._stepper.cancel()
        self._died.set()

    # ---- the engine -----------------------------------------------------------------------

    async def _step_forever(self) -> None:
        while True:
            while not (self._waiting or self._running):
                self._work.clear()
                await self._work.wait()
            await asyncio.sleep(self._admit())
            for sequence in list(self._running):
                self._decode(sequence)

    def _admit(self) -> float:
        """Fill the batch; the seconds that the coming step takes."""
        prefilled = 0
        while self._waiting and len(self._running) < self._capacity.max_num_seqs:
            sequence = self._waiting.popleft()
            sequence.tokens_cached = self._touch(sequence.prompt.payload)
            prefilled += sequence.prompt.num_tokens - sequence.tokens_cached
            self._running.append(sequence)
        costs = self._costs
        return (
            costs.step_s
            + prefilled * costs.prefill_token_s
            + len(self._running) * costs.decode_sequence_s
        )

    def _touch(self, words: tuple[str, ...]) -> int:
        """Tokens of the prompt that were in the prefix cache; all of them are afterwards."""
        cached = 0
        hit = True
        for end in range(BLOCK_TOKENS, len(words) + 1, BLOCK_TOKENS):
            key = hash(words[:end])
            hit = hit and key in self._cache
            cached += BLOCK_TOKENS if hit else 0
            self._cache[key] = None
            self._cache.move_to_end(key)
        while len(self._cache) * BLOCK_TOKENS > self._capacity.kv_cache_tokens:
            self._cache.popitem(last=False)
        return cached

    def _decode(self, sequence: _Sequence) -> None:
        word = sequence.words.popleft()
        sequence.tokens_out += 1
        if sequence.tokens_out <= len(_split(sequence.reply.text)):
            sequence.outbox.put_nowait(Delta(word, 1))
        if not sequence.words:
            sequence.outbox.put_nowait(
                Completion(
                    text=sequence.reply.text,
                    calls=sequence.calls,
                    finish_reason="stop",
                    tokens_in=sequence.prompt.num_tokens,
                    tokens_cached=sequence.tokens_cached,
                    tokens_out=sequence.tokens_out,
                )
            )
            self._drop(sequence)

    def _drop(self, sequence: _Sequence) -> None:
        if sequence in self._running:
            self._running.remove(sequence)
        if sequence in self._waiting:
            self._waiting.remove(sequence)


def _split(text: str) -> list[str]:
    """Words with the blanks before them, so that they join to the text again."""
    return _WORDS.findall(text)
