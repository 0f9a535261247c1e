"""The simulated engine: deterministic, discrete-event, for tests of the kernel at scale.

It has what scheduling and paging depend on (a batch with a step time, prefill and decode costs, a
prefix cache in blocks, an upper bound on sequences) and no model: a *script* says what the
assistant answers. Tokens are words, numbered as they are first seen; of a draft only the length
counts, so that it may come from another kernel's life. Time is the event loop's, so that under a
virtual clock thousands of processes run in milliseconds, the same way twice. Never what a user
gets.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from ...memory.draft import EMPTY, Draft
from .driver import (
    Capacity,
    ChatRequest,
    Completion,
    Delta,
    EngineDied,
    EngineRefused,
    Item,
    Prefill,
    Progress,
    Prompt,
    ToolCall,
    Totals,
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


@dataclass(slots=True, eq=False)
class _Sequence:
    """A submission. `answer` is the whole of it, text and then calls; the first `draft_tokens` of
    it came with the submission and `done` of it are there by now."""

    prompt_ids: tuple[int, ...]
    answer: list[str]
    answer_ids: list[int]
    num_text_tokens: int
    draft_tokens: int
    completion: Completion  # but for the numbers
    done: int
    tokens_cached: int = 0
    blocks: list[int] = field(default_factory=list)  # keys of the blocks that are full
    outbox: asyncio.Queue[Item | EngineDied] = field(default_factory=asyncio.Queue)

    @property
    def tokens_in(self) -> int:
        return len(self.prompt_ids) + self.draft_tokens

    def token_ids(self, start: int, end: int) -> tuple[int, ...]:
        """Of prompt and answer together."""
        length = len(self.prompt_ids)
        return (
            *self.prompt_ids[start:end],
            *self.answer_ids[max(0, start - length) : max(0, end - length)],
        )


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
        self.totals = Totals()
        self._script = script
        self._costs = costs
        self._capacity = capacity
        self._waiting: deque[_Sequence] = deque()
        self._running: list[_Sequence] = []
        self._cache: OrderedDict[int, None] = OrderedDict()
        self._vocabulary: defaultdict[str, int] = defaultdict(itertools.count().__next__)
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
        return Prompt(request, len(words), self._token_ids(words))

    def count_tokens(self, text: str) -> int:
        return len(_split(text))

    async def generate(self, prompt: Prompt, draft: Draft = EMPTY) -> AsyncIterator[Item]:
        if self._stepper is None or self._died.is_set():
            raise EngineDied("the simulated engine is not running")
        sequence = self._sequence(prompt, len(draft.token_ids))
        # Characters that were shown and come again.
        seen = len(draft.text) - sum(map(len, sequence.answer[: sequence.draft_tokens]))
        self._waiting.append(sequence)
        self._work.set()
        try:
            while True:
                item = await sequence.outbox.get()
                if isinstance(item, EngineDied):
                    raise item
                self.totals = self.totals.plus(item)
                if isinstance(item, Delta) and seen > 0:
                    item, seen = replace(item, text=item.text[seen:]), seen - len(item.text)
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

    def _token_ids(self, words: list[str]) -> tuple[int, ...]:
        return tuple(self._vocabulary[word] for word in words)

    def _sequence(self, prompt: Prompt, draft_tokens: int) -> _Sequence:
        """A draft of text is kept, but for the last token, of what is otherwise a whole answer."""
        reply = self._script(prompt.request)
        calls = tuple(
            ToolCall(f"call-{next(self._call_ids)}", name, arguments)
            for name, arguments in reply.calls
        )
        text = _split(reply.text)
        answer = [*text, *(_split(json.dumps(reply.calls)) if calls else ())] or [""]
        completion = Completion(reply.text, calls, "stop", 0, 0, 0)
        longest = prompt.request.sampling.max_tokens
        if longest is not None and len(answer) > longest:
            answer, text = answer[:longest], text[:longest]
            completion = Completion("".join(text), (), "length", 0, 0, 0)
        kept = min(draft_tokens, len(text), len(answer) - 1)
        return _Sequence(
            prompt_ids=prompt.payload,
            answer=answer,
            answer_ids=list(self._token_ids(answer)),
            num_text_tokens=len(text),
            draft_tokens=kept,
            completion=completion,
            done=kept,
        )

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
            sequence.tokens_cached = self._fill_blocks(sequence)
            prefilled += sequence.tokens_in - sequence.tokens_cached
            self._running.append(sequence)
        costs = self._costs
        return (
            costs.step_s
            + prefilled * costs.prefill_token_s
            + len(self._running) * costs.decode_sequence_s
        )

    def _fill_blocks(self, sequence: _Sequence) -> int:
        """Put what is computed of a sequence into the prefix cache, in whole blocks; the tokens
        of it that were there. As in vLLM, a prompt's last token is always computed, and the
        newest token of an answer is not yet."""
        computed = len(sequence.prompt_ids) + max(sequence.done - 1, sequence.draft_tokens)
        cached = 0
        hit = True
        for start in range(len(sequence.blocks) * BLOCK_TOKENS, computed, BLOCK_TOKENS):
            end = start + BLOCK_TOKENS
            if end > computed:
                break
            before = sequence.blocks[-1] if sequence.blocks else 0
            key = hash((before, sequence.token_ids(start, end)))
            hit = hit and key in self._cache
            cached += BLOCK_TOKENS if hit and end < computed else 0
            sequence.blocks.append(key)
            self._cache[key] = None
            self._cache.move_to_end(key)
        while len(self._cache) * BLOCK_TOKENS > self._capacity.kv_cache_tokens:
            self._cache.popitem(last=False)
        return cached

    def _decode(self, sequence: _Sequence) -> None:
        if sequence.done == sequence.draft_tokens:
            sequence.outbox.put_nowait(
                Prefill(sequence.tokens_in, sequence.tokens_cached, sequence.draft_tokens)
            )
        index = sequence.done
        shown = sequence.answer[index] if index < sequence.num_text_tokens else ""
        sequence.outbox.put_nowait(Delta(shown, 1, (sequence.answer_ids[index],)))
        sequence.done += 1
        self._fill_blocks(sequence)
        if sequence.done == len(sequence.answer):
            sequence.outbox.put_nowait(
                replace(
                    sequence.completion,
                    tokens_in=sequence.tokens_in,
                    tokens_cached=sequence.tokens_cached,
                    tokens_out=sequence.done - sequence.draft_tokens,
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
