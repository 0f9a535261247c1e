"""The one door: every syscall of every process comes through `Dispatcher.call`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from . import batch
from .context import Context
from .errno import EINVAL, EIO, SyscallError
from .invoke import clean
from .spec import SyscallSpec
from .table import Entry, SyscallTable

MAX_NAME = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trap:
    """A call that has found its syscall and is about to run, as observers see it."""

    spec: SyscallSpec
    arguments: Mapping[str, Any]
    ctx: Context
    timeout_s: float


class Observer:
    """Sees every call; override what you need. For tracing only: an observer that raises is
    logged and changes nothing, so nothing that must hold may depend on one."""

    def before(self, trap: Trap) -> None: ...

    def after(self, trap: Trap, text: str) -> None: ...

    def on_error(self, trap: Trap, error: BaseException) -> None:
        """`error` is a SyscallError, or CancelledError when the process was stopped."""


class Dispatcher:
    def __init__(self, table: SyscallTable, observers: Sequence[Observer] = ()) -> None:
        self.table = table
        self.observers = list(observers)

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | str,
        ctx: Context,
        timeout_s: float | None = None,
    ) -> str:
        """Look up, check, run; the text of the result.

        `arguments` may be the JSON that a model wrote. Raises SyscallError and nothing else, but
        for CancelledError when the awaiting task is cancelled; the call is then stopped, too.
        """
        entry = self._entry(name)
        limit_s = entry.spec.timeout_s if timeout_s is None else timeout_s
        trap = Trap(entry.spec, parse(arguments), ctx, limit_s)
        self._tell("before", trap)
        with self._errors([trap]):
            text = await entry.runner.run(entry.spec.name, trap.arguments, ctx, limit_s)
        self._tell("after", trap, text)
        return text

    async def call_batch(
        self,
        name: str,
        several: Sequence[Mapping[str, Any] | str],
        contexts: Sequence[Context],
    ) -> list[batch.Outcome]:
        """Several calls of one syscall that has a batch, as one; text or error of each, in order.
        An observer sees each. Raises what `call` does, when all have failed of one cause."""
        entry = self._entry(name)
        limit_s = entry.spec.timeout_s
        parsed = [_parsed(arguments) for arguments in several]
        good = {
            index: Trap(entry.spec, arguments, ctx, limit_s)
            for index, (arguments, ctx) in enumerate(zip(parsed, contexts, strict=True))
            if not isinstance(arguments, SyscallError)
        }
        traps = list(good.values())
        outcomes: list[batch.Outcome] = []
        if traps:
            for trap in traps:
                self._tell("before", trap)
            together = batch.packed([trap.arguments for trap in traps])
            with self._errors(traps):
                text = await entry.runner.run(entry.spec.name, together, traps[0].ctx, limit_s)
                outcomes = batch.unpacked(text, len(traps))
        for trap, outcome in zip(traps, outcomes, strict=True):
            failed = isinstance(outcome, SyscallError)
            self._tell("on_error" if failed else "after", trap, outcome)
        came = dict(zip(good, outcomes, strict=True))
        return [
            arguments if isinstance(arguments, SyscallError) else came[index]
            for index, arguments in enumerate(parsed)
        ]

    def _entry(self, name: str) -> Entry:
        """Raises ENOSYS."""
        return self.table.lookup(clean(name)[:MAX_NAME])  # a model may make up anything

    @contextmanager
    def _errors(self, traps: Sequence[Trap]) -> Iterator[None]:
        """Whatever a call fails of is a SyscallError, and observers are told."""
        try:
            yield
        except Exception as error:
            told = _as_syscall_error(traps[0].spec.name, error)
            for trap in traps:
                self._tell("on_error", trap, told)
            if told is error:
                raise
            raise told from error
        except BaseException as error:
            for trap in traps:
                self._tell("on_error", trap, error)
            raise

    def _tell(self, event: str, *what: object) -> None:
        for observer in self.observers:
            try:
                getattr(observer, event)(*what)
            except Exception:
                _log.exception("an observer failed at %s", event)


def _as_syscall_error(name: str, error: Exception) -> SyscallError:
    if isinstance(error, SyscallError):
        return error
    _log.error("the call of %s failed inside llmos", name, exc_info=error)
    return EIO(f"{name} failed inside llmos: {type(error).__name__}: {error}")


def _parsed(arguments: Mapping[str, Any] | str) -> dict[str, Any] | SyscallError:
    try:
        return parse(arguments)
    except SyscallError as error:
        return error


def parse(arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    """Arguments as a JSON object, or EINVAL. What a model leaves empty is `{}`."""
    try:
        text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments))
        value = json.loads(text) if text.strip() else {}
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        raise EINVAL(
            f"the arguments are not JSON: {error.msg} at character {error.pos + 1}"
        ) from None
    except UnicodeEncodeError:
        raise EINVAL("the arguments hold half a character (a lone surrogate)") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise EINVAL(f"the arguments are not JSON: {error}") from None
    if not isinstance(value, dict):
        raise EINVAL(f"the arguments are a JSON object, not {type(value).__name__}")
    if batch.KEY in value:
        raise EINVAL("an argument has no name")
    return value
