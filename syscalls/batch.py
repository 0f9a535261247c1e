"""Several calls of one syscall as one: `@syscall(batch=…)`.

They go through a host as one call, whose arguments are all of theirs under a key that no argument
can have, and whose result is JSON.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from .context import AnyContext
from .errno import EIO, SyscallError, from_code
from .loader import Syscall

KEY = ""

Outcome = str | SyscallError


class _Told(BaseModel):
    """An outcome on its way."""

    model_config = ConfigDict(frozen=True)

    text: str = ""
    code: str = ""
    hint: str = ""


_TOLD: TypeAdapter[list[_Told]] = TypeAdapter(list[_Told])


def packed(several: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The arguments of several calls as those of one."""
    return {KEY: list(several)}


def unpacked(text: str, count: int) -> list[Outcome]:
    """What `Batch.told` has told. Raises EIO: a worker may say anything."""
    try:
        told = _TOLD.validate_json(text)
    except ValidationError:
        told = []
    if len(told) != count:
        raise EIO(f"{len(told)} results came back for {count} calls")
    return [from_code(one.code, one.text, one.hint) if one.code else one.text for one in told]


class Batch:
    """In the worker. A call whose arguments are wrong fails alone, and the others are made."""

    def __init__(self, call: Syscall, given: Mapping[str, Any], ctx: AnyContext) -> None:
        assert call.batch is not None, "asked for what is no batch"
        self._function = call.batch
        self._ctx = ctx
        self._bound = [_bound(call, one, ctx) for one in given[KEY]]

    def run(self) -> Any:
        """What the batch function returns, or promises."""
        good = [one for one in self._bound if not isinstance(one, SyscallError)]
        names = inspect.signature(self._function).parameters
        values: dict[str, Any] = {name: self._ctx if name == "ctx" else good for name in names}
        return self._function(**values)

    def told(self, results: object, render: Callable[[object], str]) -> str:
        """The outcomes in the order of the calls."""
        wrong = sum(isinstance(one, SyscallError) for one in self._bound)
        count = len(self._bound) - wrong
        if not isinstance(results, list | tuple) or len(results) != count:
            found = len(results) if isinstance(results, list | tuple) else type(results).__name__
            name = self._function.__name__
            raise EIO(f"{name} returns a list of {count} results here, not {found}")
        came = iter(results)
        outcomes = [one if isinstance(one, SyscallError) else next(came) for one in self._bound]
        return json.dumps([_tell(one, render) for one in outcomes])


def _bound(
    call: Syscall, given: Mapping[str, Any], ctx: AnyContext
) -> dict[str, Any] | SyscallError:
    try:
        values = call.arguments.bind(given, ctx)
    except SyscallError as error:
        return error
    values.pop(call.arguments.context or "", None)
    return values


def _tell(outcome: object, render: Callable[[object], str]) -> dict[str, str]:
    if isinstance(outcome, SyscallError):
        return {"text": outcome.message, "code": outcome.code, "hint": outcome.hint}
    return {"text": render(outcome)}
