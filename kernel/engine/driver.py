"""The contract between the kernel and an engine.

A driver renders a chat request to tokens, generates, and tells what it can hold. It knows nothing
of processes. Closing the iterator of `generate`, or cancelling the task that waits on it, aborts
the request in the engine, whose slot is then free.

A generation can be broken off at any token and go on later, in another engine process too: what has
come is a `Draft`, and `generate` takes it back. An engine's grammar starts at the first token that
it generates, so a draft can be kept only as far as no call had begun; the rest is made again.

Errors, and whose fault they are:

    EngineError
    ├── EngineDied       the engine process is gone: restart it, submit again
    ├── EngineRefused    this request cannot be served: tell the process
    │   └── PromptTooLong    as it is: evict, and render it again
    └── EngineUnusable   the driver cannot start (no package, no such model …): tell the user
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from ...memory.draft import EMPTY, Draft
from ..messages import ServerInfo

Role = Literal["system", "user", "assistant", "tool"]


class EngineError(Exception):
    """Base of what an engine can do wrong."""


class EngineDied(EngineError):
    """The engine process ended under its requests."""


class EngineRefused(EngineError):
    """The engine will never serve this request as it is."""


class PromptTooLong(EngineRefused):
    """The window does not hold the prompt. `num_tokens` of it, and the `window_tokens`, as far as
    the engine tells."""

    def __init__(
        self, words: str, num_tokens: int | None = None, window_tokens: int | None = None
    ) -> None:
        super().__init__(words)
        self.num_tokens = num_tokens
        self.window_tokens = window_tokens


class EngineUnusable(EngineError):
    """The driver cannot start; the message says what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A syscall that the model asks for. `arguments` is the JSON text it wrote."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; `calls` on assistant messages, `call_id` on tool results."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A syscall as the model sees it; `parameters` is a JSON schema. Compared by identity of its
    fields' values, so that a driver can cache what it derives from a tuple of these."""

    name: str
    description: str
    parameters: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose tokens. None means the model's own default."""

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


LOAD_S = 0.1
"""How old the report of an engine's load may be."""

INTERACTIVE = -1
"""The priority of what somebody waits for at a screen; an engine that can, lets it go first."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a process asks of the engine for one step of its turn; a lower priority goes first. An
    engine may bring up to `together` tokens at a time, but for the first. With an `output_schema`,
    JSON text, the answer is no call but JSON of that schema, from its first token on. By `owner` an
    engine tells in its `Load` whose a sequence is; 0 is nobody."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    sampling: Sampling = Sampling()
    priority: int = 0
    together: int = 1
    output_schema: str | None = None
    owner: int = 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered request. `payload` belongs to the driver that made it."""

    request: ChatRequest
    num_tokens: int
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Prefill:
    """The prompt is in the engine's cache: once a submission, before its first Delta.

    `draft_tokens` of the draft were kept: who holds its token ids cuts them to that many, since
    Deltas bring the others again (but none of the text that was shown). `tokens_in` counts the
    prompt and what was kept of the draft; `tokens_cached` of them were in the prefix cache. An
    engine that knows this only later says what it takes it for, and a Correction follows."""

    tokens_in: int
    tokens_cached: int
    draft_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """What one step of the engine brought: tokens always, and text for people to read unless a
    call is written or a character is not complete."""

    text: str
    num_tokens: int
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Correction:
    """By how much the Prefill of this submission was mistaken, before its Completion."""

    tokens_in: int
    tokens_cached: int


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a generation: text and calls of the whole answer, its draft included; what this
    submission cost in tokens, the draft's among `tokens_in`."""

    text: str
    calls: tuple[ToolCall, ...]
    finish_reason: str
    tokens_in: int
    tokens_cached: int
    tokens_out: int


Item = Prefill | Delta | Correction | Completion


@dataclass(frozen=True, slots=True)
class Totals:
    """What an engine has done since the driver was made, by its own reports as they were handed
    on: submissions that began, their prompt tokens, those of them in the prefix cache, and the
    tokens generated. What a generation did before it was aborted counts."""

    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    requests: int = 0

    def plus(self, item: Item) -> Totals:
        """With one more item of a driver's stream. A Completion brings no tokens of its own."""
        match item:
            case Prefill(tokens_in, tokens_cached):
                return Totals(
                    self.tokens_in + tokens_in,
                    self.tokens_cached + tokens_cached,
                    self.tokens_out,
                    self.requests + 1,
                )
            case Correction(tokens_in, tokens_cached):
                return Totals(
                    self.tokens_in + tokens_in,
                    self.tokens_cached + tokens_cached,
                    self.tokens_out,
                    self.requests,
                )
            case Delta(num_tokens=num_tokens):
                return Totals(
                    self.tokens_in, self.tokens_cached, self.tokens_out + num_tokens, self.requests
                )
        return self


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds. A step takes `step_s`; each sequence in it takes `sequence_s` more, each token that
    is computed `token_s`, and that again for each token that it attends to: `decode_s` of a
    sequence that generates, `prefill_s` of one whose prompt is computed. The defaults are of the
    order of a small model on a small machine."""

    start_s: float = 0.05
    step_s: float = 0.002
    sequence_s: float = 0.0001
    token_s: float = 0.00002
    decode_s: float = 0.0
    prefill_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the engine can hold: sequences at once, tokens in one window, KV cache in tokens (0: it
    does not say), in blocks of `block_tokens`; the tokens that one step takes at most, so that a
    long prompt is prefilled in chunks; and how many further sequences, if they are interactive.

    `goes_on`: an answer that is broken off goes on from its draft, and is not generated anew.
    `elsewhere`: the engine is not ours to start; it is waited for, however often it goes away."""

    max_num_seqs: int
    window_tokens: int
    kv_cache_tokens: int
    block_tokens: int = 16
    max_batched_tokens: int = 2048
    interactive_seqs: int = 0
    goes_on: bool = True
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What an engine holds at the moment, by its own report: sequences that run and that wait in
    it, the KV blocks in use of all that it has, and by owner the blocks of its sequences. One that
    several sequences share is in use once, and counted with each of its owners."""

    running: int = 0
    waiting: int = 0
    blocks_used: int = 0
    blocks_total: int = 0
    blocks_of: Mapping[int, int] = field(default_factory=dict)


Progress = Callable[[str], None]


class EngineDriver(Protocol):
    """One engine. Owned by the `Engine` supervisor; all calls come from the kernel's loop."""

    name: str
    model: str
    totals: Totals

    @property
    def costs(self) -> Costs | None:
        """Of its steps, where they are known."""
        ...

    @property
    def load(self) -> Load | None:
        """What it holds now, not older than a step or `LOAD_S`; None if it does not tell."""
        ...

    async def start(self, progress: Progress) -> Capacity:
        """Load the model; `progress` is told in words what happens. Raises EngineUnusable."""
        ...

    async def render(self, request: ChatRequest) -> Prompt:
        """Tokens of the request, by the model's own chat template. Raises EngineRefused."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text by itself, without the template around it."""
        ...

    def generate(self, prompt: Prompt, draft: Draft = EMPTY) -> AsyncIterator[Item]:
        """One Prefill, Deltas, exactly one Completion; what follows the draft, where there is one.
        A driver that submits again by itself brings another Prefill, as the supervisor does.
        With greedy decoding the whole answer is that of a run that was never broken off. Raises
        EngineDied, EngineRefused."""
        ...

    async def wait_until_dead(self) -> None:
        """Return when the engine process has ended by itself."""
        ...

    async def stop(self) -> None:
        """End the engine and free what it held. Never raises."""
        ...


@runtime_checkable
class HasServers(Protocol):
    """A driver whose engine is servers elsewhere."""

    def servers(self) -> list[ServerInfo]:
        """How each of them is."""
        ...
