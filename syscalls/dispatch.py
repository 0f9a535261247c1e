"""The one door: every syscall of every process comes through `Dispatcher.call`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .context import Context
from .errno import EINVAL, EIO, SyscallError
from .invoke import clean
from .spec import SyscallSpec
from .table import SyscallTable

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
        name = clean(name)[:MAX_NAME]  # a model may make up anything
        entry = self.table.lookup(name)
        limit_s = entry.spec.timeout_s if timeout_s is None else timeout_s
        trap = Trap(entry.spec, parse(arguments), ctx, limit_s)
        self._tell("before", trap)
        try:
            text = await entry.runner.run(name, trap.arguments, ctx, limit_s)
        except SyscallError as error:
            self._tell("on_error", trap, error)
            raise
        except Exception as error:
            _log.exception("the call of %s failed inside llmos", name)
            mapped = EIO(f"{name} failed inside llmos: {type(error).__name__}: {error}")
            self._tell("on_error", trap, mapped)
            raise mapped from error
        except BaseException as error:
            self._tell("on_error", trap, error)
            raise
        self._tell("after", trap, text)
        return text

    def _tell(self, event: str, *what: object) -> None:
        for observer in self.observers:
            try:
                getattr(observer, event)(*what)
            except Exception:
                _log.exception("an observer failed at %s", event)


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
    return value
