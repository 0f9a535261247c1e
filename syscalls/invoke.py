"""Calls a syscall's function where it is, and makes text of whatever comes back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from . import where
from .context import Context
from .errno import ECANCELED, EIO, ENOMEM, SyscallError
from .loader import Syscall

MAX_OUTPUT = 64 * 1024
"""Longest result of a call, in bytes of UTF-8; what is longer is cut, and says so."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def invoke(call: Syscall, given: Mapping[str, Any], ctx: Context, max_output: int) -> str:
    """Call a `def`. Raises SyscallError only."""
    with _failures(call):
        values = call.arguments.bind(given, ctx)
        return render(call.function(**values), max_output)


async def invoke_async(
    call: Syscall, given: Mapping[str, Any], ctx: Context, max_output: int
) -> str:
    """Call an `async def`. Raises SyscallError, and CancelledError if this task is cancelled."""
    with _failures(call):
        values = call.arguments.bind(given, ctx)
        try:
            result = await call.function(**values)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ECANCELED(f"{call.spec.name} called itself off") from None
        return render(result, max_output)


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
