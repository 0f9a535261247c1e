"""The two lines from a call in a worker to the kernel: of a `def`, and of an `async def`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from .errno import ENOSYS, from_code
from .frames import Frames
from .spec import SyscallSpec
from .wire import Answer, Asked, Call, Cancel, Message, Told


class _Line:
    def __init__(self, spec: SyscallSpec, request: Call) -> None:
        self._id = request.id
        self._spec = spec
        self._number = 0
        self._cancelled = False

    @property
    def needs(self) -> tuple[str, ...]:
        return self._spec.capabilities

    def _asked(self, what: str, arguments: dict[str, object]) -> Asked:
        self._number += 1
        return Asked(id=self._id, number=self._number, what=what, arguments=arguments)


class BlockingLine(_Line):
    """Nothing else runs in this worker, so whatever comes while it waits is for this call."""

    def __init__(self, spec: SyscallSpec, request: Call, frames: Frames) -> None:
        super().__init__(spec, request)
        self._frames = frames
        self._watching = False

    @property
    def cancelled(self) -> bool:
        if not self._watching:
            self._watching = True
            self._frames.send(Told(id=self._id, what="watching"))
        while not self._cancelled and self._frames.waiting():
            self._next()
        return self._cancelled

    def tell(self, what: str, text: str) -> None:
        self._frames.send(Told.model_validate({"id": self._id, "what": what, "text": text}))

    def ask(self, what: str, **arguments: object) -> Any:
        asked = self._asked(what, arguments)
        self._frames.send(asked)
        while True:
            answer = self._next()
            if answer is not None and answer.number == asked.number:
                return _value(answer)

    async def ask_async(self, what: str, **arguments: object) -> Any:
        raise ENOSYS("a def cannot await", hint="take ctx: Context")

    def _next(self) -> Answer | None:
        """What the host says next; it may be that the call is cancelled."""
        request = self._frames.receive()
        if request is None:
            os._exit(0)  # nobody waits for this call any more
        if isinstance(request, Cancel):
            self._cancelled = self._cancelled or request.id == self._id
        return request if isinstance(request, Answer) and request.id == self._id else None


class AwaitingLine(_Line):
    """The worker's loop hands it the answers."""

    def __init__(self, spec: SyscallSpec, request: Call, send: Callable[[Message], None]) -> None:
        super().__init__(spec, request)
        self._send = send
        self._answers: dict[int, asyncio.Future[Answer]] = {}

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def tell(self, what: str, text: str) -> None:
        self._send(Told.model_validate({"id": self._id, "what": what, "text": text}))

    def ask(self, what: str, **arguments: object) -> Any:
        raise ENOSYS(f"an async def cannot wait for {what}", hint="take ctx: AsyncContext")

    async def ask_async(self, what: str, **arguments: object) -> Any:
        asked = self._asked(what, arguments)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[asked.number] = future
        self._send(asked)
        try:
            return _value(await future)
        finally:
            del self._answers[asked.number]

    def cancel(self) -> None:
        self._cancelled = True

    def take(self, answer: Answer) -> None:
        future = self._answers.get(answer.number)
        if future is not None and not future.done():
            future.set_result(answer)


def _value(answer: Answer) -> Any:
    if answer.code:
        raise from_code(answer.code, answer.message, answer.hint)
    return answer.value
