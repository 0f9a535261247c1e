"""Calls a syscall's function where it is, and makes text of whatever comes back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from . import batch, where
from .context import AnyContext
from .errno import ECANCELED, EIO, ENOMEM, SyscallError
from .loader import Syscall

MAX_OUTPUT = 64 * 1024
"""Longest result of a call, in bytes of UTF-8; what is longer is cut, and says so."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def invoke(call: Syscall, given: Mapping[str, Any], ctx: AnyContext, max_output: int) -> str:
    """Call a `def`. Raises SyscallError only."""
    with _failures(call):
        limit = call.spec.max_output or max_output
        if batch.KEY in given:
            several = batch.Batch(call, given, ctx)
            return several.told(several.run(), lambda one: render(one, limit))
        values = call.arguments.bind(given, ctx)
        result = call.function(**values)
        return stream(result, ctx, limit) if call.spec.streams else render(result, limit)


async def invoke_async(
    call: Syscall, given: Mapping[str, Any], ctx: AnyContext, max_output: int
) -> str:
    """Call an `async def`. Raises SyscallError, and CancelledError if this task is cancelled."""
    with _failures(call):
        limit = call.spec.max_output or max_output
        several = batch.Batch(call, given, ctx) if batch.KEY in given else None
        values = {} if several else call.arguments.bind(given, ctx)
        try:
            if several:
                results = await several.run()
                return several.told(results, lambda one: render(one, limit))
            if call.spec.streams:
                return await stream_async(call.function(**values), ctx, limit)
            result = await call.function(**values)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ECANCELED(f"{call.spec.name} called itself off") from None
        return render(result, limit)


class _Pieces:
    """The pieces of a result, told as they come and kept for its end."""

    def __init__(self, ctx: AnyContext, max_output: int) -> None:
        self._ctx = ctx
        self._left = max_output
        self._kept: list[str] = []

    def take(self, piece: object) -> bool:
        """Is there room for more?"""
        text = clean(piece) if isinstance(piece, str) else f"{render(piece, self._left)}\n"
        data = text.encode()
        if len(data) > self._left:
            text = data[: self._left].decode(errors="ignore")
        self._left -= len(data)
        self._kept.append(text)
        if self._ctx.line is not None and text:
            self._ctx.line.tell("output", text)
        if self._left < 0:
            self._kept.append("\n[cut here: there was more]")
        return self._left >= 0

    def __str__(self) -> str:
        return "".join(self._kept) or "done"


def stream(pieces: Iterable[object], ctx: AnyContext, max_output: int) -> str:
    """What a generator yields: texts follow each other, anything else is a line of JSON. One that
    yields more than may be told is closed."""
    told = _Pieces(ctx, max_output)
    for piece in pieces:
        if not told.take(piece):
            getattr(pieces, "close", lambda: None)()
            break
    return str(told)


async def stream_async(pieces: AsyncIterable[object], ctx: AnyContext, max_output: int) -> str:
    """The same of an asynchronous one."""
    told = _Pieces(ctx, max_output)
    try:
        async for piece in pieces:
            if not told.take(piece):
                break
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
    return str(told)


@contextmanager
def _failures(call: Syscall) -> Iterator[None]:
    """What a plugin raises, as an error that says where."""
    try:
        yield
    except SyscallError:
        raise
    except MemoryError as error:
        raise ENOMEM(f"{call.spec.name} ran out of memory") from error
    except (Exception, SystemExit) as error:
        place = where.of_error(error, where.file_of(call.function))
        raise EIO(f"{where.describe(error)} ({place})") from error


def render(result: object, max_output: int = MAX_OUTPUT) -> str:
    """Text as it is, None as "done", anything else as JSON."""
    if isinstance(result, str):
        text = str(result)
    elif result is None:
        text = "done"
    else:
        text = _as_json(result)
    return cut(clean(text), max_output)


def clean(text: str) -> str:
    """Text that can be encoded: half a surrogate pair (in a file name, say) becomes �."""
    return _SURROGATE.sub("\ufffd", text)


def cut(text: str, max_output: int) -> str:
    """At most `max_output` bytes, then a line that says how many are missing."""
    if len(text) * 4 <= max_output:
        return text
    data = text.encode()
    if len(data) <= max_output:
        return text
    kept = data[:max_output].decode(errors="ignore")
    missing = len(data) - len(kept.encode())
    return f"{kept}\n[cut here: {missing} more bytes of {len(data)}]"


def _as_json(result: object) -> str:
    try:
        return json.dumps(to_jsonable_python(result), ensure_ascii=False)
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise EIO(f"the result, a {type(result).__name__}, has no form in JSON") from error
