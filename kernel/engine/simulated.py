"""The simulated engine: deterministic, discrete-event, for tests of the kernel at scale.

It has what scheduling and paging depend on (`batching.py`: a batch with a step time, chunked
prefill and decode costs, a prefix cache in blocks, preemption when they run out) and no model: a
*script* says what the assistant answers. Tokens are words, numbered as they are first seen; of a
draft only the length counts, so that it may come from another kernel's life. Time is the event
loop's, so that under a virtual clock thousands of processes run in milliseconds, the same way
twice. Never what a user gets.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from ...memory.draft import EMPTY, Draft
from .batching import Batch, Batched, Costs
from .driver import (
    Capacity,
    ChatRequest,
    Completion,
    Delta,
    EngineDied,
    EngineRefused,
    EngineUnusable,
    Item,
    Load,
    Prefill,
    Progress,
    Prompt,
    ToolCall,
    Totals,
)
from .smallest import smallest

_WORDS = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the script makes the assistant say."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()  # (name, JSON arguments)


Script = Callable[[ChatRequest], Reply]


def echo(request: ChatRequest) -> Reply:
    """The default script. `call NAME {json}` calls a syscall, its result is the answer;
    `count N` says the numbers up to N, whatever stands below; anything else is said back."""
    last = request.messages[-1]
    if last.role == "tool":
        return Reply(last.text)
    verb, _, rest = last.text.partition(" ")
    if verb == "call":
        name, _, arguments = rest.partition(" ")
        return Reply(calls=((name, arguments or "{}"),))
    most = rest.partition("\n")[0]
    if verb == "count" and most.isdigit():
        return Reply(" ".join(str(number) for number in range(1, int(most) + 1)))
    return Reply(f"You said: {last.text}")


def formed(request: ChatRequest, schema: str) -> Reply:
    """Under a schema no script is asked: `json {…}` is answered with that JSON, be it of the schema
    or not, and anything else with the smallest value of the schema."""
    for message in reversed(request.messages):
        if message.role == "user" and message.text.startswith("json"):
            return Reply(message.text.removeprefix("json").strip())
    return Reply(json.dumps(smallest(json.loads(schema)), ensure_ascii=False))


@dataclass(slots=True, eq=False)
class _Sequence:
    """A submission. `answer` is the whole of it, text and then calls; the first `draft_tokens` of
    it came with the submission and `done` of it are there by now."""

    prompt_ids: tuple[int, ...]
    answer: list[str]
    answer_ids: tuple[int, ...]
    num_text_tokens: int
    draft_tokens: int
    completion: Completion  # but for the numbers
    done: int
    batched: Batched
    owner: int
    outbox: asyncio.Queue[Item | EngineDied] = field(default_factory=asyncio.Queue)

    @property
    def tokens_in(self) -> int:
        return len(self.prompt_ids) + self.draft_tokens


class SimulatedDriver:
    """`EngineDriver` without an engine."""

    name = "simulated"

    def __init__(
        self,
        script: Script = echo,
        costs: Costs = Costs(),  # noqa: B008
        capacity: Capacity = Capacity(64, 4096, 65536),  # noqa: B008
    ) -> None:
        self.model = "simulated"
        self.totals = Totals()
        self._script = script
        self.costs = costs
        self._capacity = capacity
        self._batch = Batch(capacity, costs)
        self._sequences: dict[Batched, _Sequence] = {}
        self._vocabulary: defaultdict[str, int] = defaultdict(itertools.count().__next__)
        self._call_ids = itertools.count(1)
        self._work = asyncio.Event()
        self._died = asyncio.Event()
        self._stepper: asyncio.Task[None] | None = None

    async def start(self, progress: Progress) -> Capacity:
        if 0 < self._capacity.kv_cache_tokens < self._capacity.window_tokens:
            raise EngineUnusable("the KV cache holds less than one window")
        progress("starting the simulated engine")
        await asyncio.sleep(self.costs.start_s)
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
        self._sequences[sequence.batched] = sequence
        self._batch.add(sequence.batched)
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

    @property
    def load(self) -> Load:
        blocks_of: Counter[int] = Counter()
        for sequence in self._sequences.values():
            blocks_of[sequence.owner] += sequence.batched.num_blocks
        running, capacity = self._batch.num_running, self._capacity
        return Load(
            running=running,
            waiting=len(self._batch) - running,
            blocks_used=self._batch.num_blocks,
            blocks_total=capacity.kv_cache_tokens // capacity.block_tokens,
            blocks_of=blocks_of,
        )

    @property
    def num_preempted(self) -> int:
        """Sequences that lost their blocks to others since it was started, and were computed
        again."""
        return self._batch.num_preempted

    async def wait_until_dead(self) -> None:
        await self._died.wait()

    async def stop(self) -> None:
        if self._stepper is not None:
            self._stepper.cancel()
            self._stepper = None

    def crash(self) -> None:
        """The engine process dies, as if killed: all that is in flight is lost."""
        for sequence in self._sequences.values():
            sequence.outbox.put_nowait(EngineDied("the simulated engine was crashed"))
        self._sequences.clear()
        self._batch = Batch(self._capacity, self.costs)
        if self._stepper is not None:
            self._stepper.cancel()
        self._died.set()

    def _token_ids(self, words: list[str]) -> tuple[int, ...]:
        return tuple(self._vocabulary[word] for word in words)

    def _longest(self, prompt: Prompt) -> int:
        """Tokens of an answer: what was asked for, and what the engine's memory holds. A sequence
        that outgrew it would be computed for ever."""
        most = prompt.request.sampling.max_tokens
        held = self._capacity.kv_cache_tokens
        room = max(1, held - prompt.num_tokens - self._capacity.block_tokens) if held else math.inf
        return int(min(room, math.inf if most is None else most, sys.maxsize))

    def _sequence(self, prompt: Prompt, draft_tokens: int) -> _Sequence:
        """A draft of text is kept, but for the last token, of what is otherwise a whole answer."""
        schema = prompt.request.output_schema
        reply = self._script(prompt.request) if schema is None else formed(prompt.request, schema)
        calls = tuple(
            ToolCall(f"call-{next(self._call_ids)}", name, arguments)
            for name, arguments in reply.calls
        )
        text = _split(reply.text)
        answer = [*text, *(_split(json.dumps(reply.calls)) if calls else ())] or [""]
        completion = Completion(reply.text, calls, "stop", 0, 0, 0)
        longest = self._longest(prompt)
        if len(answer) > longest:
            answer, text = answer[:longest], text[:longest]
            completion = Completion("".join(text), (), "length", 0, 0, 0)
        kept = min(draft_tokens, len(text), len(answer) - 1)
        answer_ids = self._token_ids(answer)
        return _Sequence(
            prompt_ids=prompt.payload,
            answer=answer,
            answer_ids=answer_ids,
            num_text_tokens=len(text),
            draft_tokens=kept,
            completion=completion,
            done=kept,
            batched=Batched(
                (*prompt.payload, *answer_ids[:kept]), interactive=prompt.request.priority < 0
            ),
            owner=prompt.request.owner,
        )

    # ---- the engine -----------------------------------------------------------------------

    async def _step_forever(self) -> None:
        while True:
            while not self._batch:
                self._work.clear()
                await self._work.wait()
            work, seconds = self._batch.step(asyncio.get_running_loop().time())
            await asyncio.sleep(seconds)
            for batched in work:
                sequence = self._sequences.get(batched)
                if sequence is not None and batched.is_computed:
                    self._decode(sequence)

    def _decode(self, sequence: _Sequence) -> None:
        if sequence.done == sequence.draft_tokens:
            sequence.outbox.put_nowait(
                Prefill(sequence.tokens_in, sequence.batched.tokens_cached, sequence.draft_tokens)
            )
        index = sequence.done
        shown = sequence.answer[index] if index < sequence.num_text_tokens else ""
        sequence.outbox.put_nowait(Delta(shown, 1, (sequence.answer_ids[index],)))
        sequence.done += 1
        sequence.batched.generated(sequence.answer_ids[index])
        if sequence.done == len(sequence.answer):
            sequence.outbox.put_nowait(
                replace(
                    sequence.completion,
                    tokens_in=sequence.tokens_in,
                    tokens_cached=sequence.batched.tokens_cached,
                    tokens_out=sequence.done - sequence.draft_tokens,
                )
            )
            self._drop(sequence)

    def _drop(self, sequence: _Sequence) -> None:
        self._sequences.pop(sequence.batched, None)
        self._batch.remove(sequence.batched)


def _split(text: str) -> list[str]:
    """Words with the blanks before them, so that they join to the text again."""
    return _WORDS.findall(text)
