"""The contract between the kernel and an engine.

A driver renders a chat request to tokens, generates, and tells what it can hold. It knows nothing
of processes. Cancelling the iteration of `generate` aborts the request in the engine.

Errors, and whose fault they are:

    EngineError
    ├── EngineDied       the engine process is gone: restart it, submit again
    ├── EngineRefused    this request cannot be served (prompt too long …): tell the process
    └── EngineUnusable   the driver cannot start (no package, no such model …): tell the user
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]


class EngineError(Exception):
    """Base of what an engine can do wrong."""


class EngineDied(EngineError):
    """The engine process ended under its requests."""


class EngineRefused(EngineError):
    """The engine will never serve this request as it is."""


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


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a process asks of the engine for one step of its turn."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    sampling: Sampling = Sampling()
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered request. `payload` belongs to the driver that made it."""

    request: ChatRequest
    num_tokens: int
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Delta:
    """More text for people to read, and how many tokens it took (0 while a call is written)."""

    text: str
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a generation: all of the text, the calls in it, and what it cost in tokens."""

    text: str
    calls: tuple[ToolCall, ...]
    finish_reason: str
    tokens_in: int
    tokens_cached: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the engine can hold: sequences at once, tokens in one window, KV cache in tokens."""

    max_num_seqs: int
    window_tokens: int
    kv_cache_tokens: int


Progress = Callable[[str], None]


class EngineDriver(Protocol):
    """One engine. Owned by the `Engine` supervisor; all calls come from the kernel's loop."""

    name: str
    model: str

    async def start(self, progress: Progress) -> Capacity:
        """Load the model; `progress` is told in words what happens. Raises EngineUnusable."""
        ...

    async def render(self, request: ChatRequest) -> Prompt:
        """Tokens of the request, by the model's own chat template. Raises EngineRefused."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text by itself, without the template around it."""
        ...

    def generate(self, prompt: Prompt) -> AsyncIterator[Delta | Completion]:
        """Deltas, then exactly one Completion. Raises EngineDied, EngineRefused."""
        ...

    async def wait_until_dead(self) -> None:
        """Return when the engine process has ended by itself."""
        ...

    async def stop(self) -> None:
        """End the engine and free what it held. Never raises."""
        ...
