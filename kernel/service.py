"""What clients may ask for: each request of `messages/` goes to the answers of its topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from . import messages
from .answers import (
    conversations,
    guests,
    knowledge,
    memory,
    mounts,
    observing,
    pipes,
    processes,
    scheduling,
    supervision,
    system,
    tracing,
)
from .answers.client import Client
from .kernel import Kernel


class Service:
    """Answers requests. Raises SyscallError for whatever the client can be told."""

    def __init__(self, kernel: Kernel, halt: Callable[[], None]) -> None:
        self._kernel = kernel
        self._halt = halt

    async def handle(self, request: messages.Request, client: Client) -> object:
        """The result of one request; anything that pydantic can turn into JSON."""
        kernel = self._kernel
        if isinstance(request, messages.ProcessRequest):
            return await processes.answer(kernel, request, client)
        if isinstance(request, messages.PipeRequest):
            return await pipes.answer(kernel, request, client)
        if isinstance(request, messages.SupervisionRequest):
            return await supervision.answer(kernel, request, client)
        if isinstance(request, messages.GuestRequest):
            return await guests.answer(kernel, request, client)
        if isinstance(request, messages.MemoryRequest):
            return await memory.answer(kernel, request)
        if isinstance(request, messages.ConversationRequest):
            return await conversations.answer(kernel, request, client)
        if isinstance(request, messages.KnowledgeRequest):
            return await knowledge.answer(kernel, request)
        if isinstance(request, messages.SchedulingRequest):
            return await scheduling.answer(kernel, request)
        if isinstance(request, messages.TracingRequest):
            return await tracing.answer(kernel, request, client)
        if isinstance(request, messages.ObservingRequest):
            return await observing.answer(kernel, request, client)
        if isinstance(request, messages.MountRequest):
            return mounts.answer(kernel, request)
        if isinstance(request, messages.SystemRequest):
            return await system.answer(kernel, request, self._halt)
        assert_never(request)
