"""`@syscall`: marks a function as a syscall, and changes nothing else about it.

    @syscall(needs="fs.read", timeout=30)
    def grep(pattern: str, path: str = ".") -> str:
        \"\"\"Search files for a regular expression.\"\"\"

The loader finds the mark. A marked function can still be called and tested like any other.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, overload

Effect = Literal["pure", "idempotent", "once"]
"""May a call be repeated when a crash hides whether it happened? `pure` changes nothing;
`idempotent` twice is the same as once; `once` is never repeated."""

MARK = "__llmos_syscall__"
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Mark:
    """What the author said in `@syscall(…)`."""

    name: str
    needs: str | None = None
    timeout_s: float = 30.0
    effect: Effect = "once"
    listed: bool = True


@overload
def syscall(function: Function, /) -> Function: ...


@overload
def syscall(
    *,
    needs: str | None = None,
    timeout: float = 30,
    effect: Effect = "once",
    name: str | None = None,
    listed: bool = True,
) -> Callable[[Function], Function]: ...


def syscall(
    function: Function | None = None,
    /,
    *,
    needs: str | None = None,
    timeout: float = 30,
    effect: Effect = "once",
    name: str | None = None,
    listed: bool = True,
) -> Function | Callable[[Function], Function]:
    """Make a syscall of a function: `def` runs in a worker process, `async def` on a loop.

    `needs` is the capability that a caller must hold, `timeout` is in seconds. Agents read the
    first paragraph of the docstring; parameters are checked against their annotations. A syscall
    that is not `listed` is offered to those processes alone that name it among their tools.
    """

    def mark(function: Function) -> Function:
        setattr(function, MARK, marked(function, needs, timeout, effect, name, listed))
        return function

    return mark if function is None else mark(function)


def marked(
    function: Callable[..., Any],
    needs: str | None = None,
    timeout: float = 30,
    effect: Effect = "once",
    name: str | None = None,
    listed: bool = True,
) -> Mark:
    """The mark of a function, once all that `@syscall` was told makes sense."""
    if not inspect.isfunction(function):
        raise TypeError(f"@syscall marks a function, and {function!r} is none")
    name = name or function.__name__
    owner, _, _ = function.__qualname__.rpartition(".")
    if owner and not owner.endswith("<locals>"):
        raise TypeError(f"@syscall marks a plain function, and {name} is a method of {owner}")
    if not NAME.fullmatch(name):
        raise ValueError(
            f"a syscall cannot be called {name!r}: lower-case letters, digits and _,"
            " at most 64, a letter first"
        )
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"{name}: timeout is a number of seconds, not {timeout!r}")
    if not 0 < timeout < math.inf:
        raise ValueError(f"{name}: timeout is a number of seconds above 0, not {timeout!r}")
    if effect not in get_args(Effect):
        raise ValueError(f"{name}: effect is pure, idempotent or once, not {effect!r}")
    if needs is not None and not isinstance(needs, str):
        raise TypeError(f"{name}: needs is the name of a capability, not {needs!r}")
    return Mark(name, needs, float(timeout), effect, listed)


def mark_of(function: object) -> Mark | None:
    """The mark that `@syscall` left, if it did."""
    mark = getattr(function, MARK, None) if inspect.isfunction(function) else None
    return mark if isinstance(mark, Mark) else None
