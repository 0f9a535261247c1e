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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, overload

Effect = Literal["pure", "idempotent", "once"]
"""May a call be repeated when a crash hides whether it happened? `pure` changes nothing;
`idempotent` twice is the same as once; `once` is never repeated."""

MARK = "__llmos_syscall__"
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
LONGEST_OUTPUT = 1 << 20
"""In bytes: no result of a call is longer, whatever its author says."""

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Mark:
    """What the author said in `@syscall(…)`."""

    name: str
    needs: tuple[str, ...] = ()
    timeout_s: float = 30.0
    effect: Effect = "once"
    listed: bool = True
    approve: bool = False
    max_output: int | None = None
    trusted_args: tuple[str, ...] = ()
    parallel: bool = False
    batch: Callable[..., Any] | None = None


@overload
def syscall(function: Function, /) -> Function: ...


@overload
def syscall(
    *,
    needs: str | Sequence[str] | None = None,
    timeout: float = 30,
    effect: Effect | None = None,
    idempotent: bool = False,
    name: str | None = None,
    listed: bool = True,
    approve: bool = False,
    max_output: int | None = None,
    trusted_args: Sequence[str] = (),
    parallel: bool | None = None,
    batch: Callable[..., Any] | None = None,
) -> Callable[[Function], Function]: ...


def syscall(
    function: Function | None = None,
    /,
    *,
    needs: str | Sequence[str] | None = None,
    timeout: float = 30,
    effect: Effect | None = None,
    idempotent: bool = False,
    name: str | None = None,
    listed: bool = True,
    approve: bool = False,
    max_output: int | None = None,
    trusted_args: Sequence[str] = (),
    parallel: bool | None = None,
    batch: Callable[..., Any] | None = None,
) -> Function | Callable[[Function], Function]:
    """Make a syscall of a function: `def` runs in a worker process, `async def` on a loop, and one
    that yields streams.

    `needs` is the capability that a caller must hold, or several; `timeout` is in seconds.
    `idempotent` is short for `effect="idempotent"`. A call of one that wants to be approved
    (`approve`) is refused until its user has allowed it. `max_output` is the longest result in
    bytes. `trusted_args` are the arguments that must not come out of an untrusted text. Agents read
    the first paragraph of the docstring; parameters are checked against their annotations. A
    syscall that is not `listed` is offered to those processes alone that name it among their tools.

    Calls of one turn that are `parallel` run side by side: those are the pure ones unless it is
    said here. `batch` is a function that does several calls of this syscall at once: it takes a
    list of their arguments, a dict each, and a `ctx` (of the first call) if it has such a
    parameter, and returns their results in the same order; a result that is a SyscallError is the
    error of that call.
    """

    def mark(function: Function) -> Function:
        made = marked(
            function,
            needs=needs,
            timeout=timeout,
            effect=effect,
            idempotent=idempotent,
            name=name,
            listed=listed,
            approve=approve,
            max_output=max_output,
            trusted_args=trusted_args,
            parallel=parallel,
            batch=batch,
        )
        setattr(function, MARK, made)
        return function

    return mark if function is None else mark(function)


def marked(
    function: Callable[..., Any],
    *,
    needs: str | Sequence[str] | None = None,
    timeout: float = 30,
    effect: Effect | None = None,
    idempotent: bool = False,
    name: str | None = None,
    listed: bool = True,
    approve: bool = False,
    max_output: int | None = None,
    trusted_args: Sequence[str] = (),
    parallel: bool | None = None,
    batch: Callable[..., Any] | None = None,
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
    _check_numbers(name, timeout, max_output)
    if batch is not None:
        _check_batch(name, function, batch)
    known_effect = _effect(name, effect, idempotent)
    return Mark(
        name,
        _needs(name, needs),
        float(timeout),
        known_effect,
        listed,
        bool(approve),
        max_output,
        _parameters(name, function, trusted_args),
        known_effect == "pure" if parallel is None else bool(parallel),
        batch,
    )


def _check_numbers(name: str, timeout: object, max_output: object) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"{name}: timeout is a number of seconds, not {timeout!r}")
    if not 0 < timeout < math.inf:
        raise ValueError(f"{name}: timeout is a number of seconds above 0, not {timeout!r}")
    if max_output is None:
        return
    if isinstance(max_output, bool) or not isinstance(max_output, int):
        raise TypeError(f"{name}: max_output is a number of bytes, not {max_output!r}")
    if not 0 < max_output <= LONGEST_OUTPUT:
        raise ValueError(
            f"{name}: max_output is from 1 to {LONGEST_OUTPUT} bytes, not {max_output}"
        )


def _effect(name: str, effect: Effect | None, idempotent: bool) -> Effect:
    if effect is None:
        return "idempotent" if idempotent else "once"
    if effect not in get_args(Effect):
        raise ValueError(f"{name}: effect is pure, idempotent or once, not {effect!r}")
    if idempotent and effect != "idempotent":
        raise ValueError(f"{name}: it cannot be both idempotent and {effect}")
    return effect


def _needs(name: str, needs: str | Sequence[str] | None) -> tuple[str, ...]:
    given = (needs,) if isinstance(needs, str) else needs or ()
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise TypeError(f"{name}: needs is the name of a capability, not {needs!r}")
    return tuple(given)


def _parameters(name: str, function: Callable[..., Any], trusted: Sequence[str]) -> tuple[str, ...]:
    """The arguments that must be trusted, if they are arguments."""
    if isinstance(trusted, str):
        raise TypeError(f"{name}: trusted_args is a list of names, not {trusted!r}")
    known = list(inspect.signature(function).parameters)
    for one in trusted:
        if one not in known:
            takes = f"the parameters are {', '.join(known)}" if known else "it takes no arguments"
            raise ValueError(f"{name}: trusted_args names {one!r}; {takes}")
    return tuple(trusted)


def _check_batch(name: str, function: Callable[..., Any], batch: Callable[..., Any]) -> None:
    if not inspect.isfunction(batch):
        raise TypeError(f"{name}: batch is a function, not {batch!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{name}: it yields, and only what returns can have a batch")
    if inspect.iscoroutinefunction(batch) != inspect.iscoroutinefunction(function):
        raise TypeError(f"{name}: {batch.__name__} must be async if {name} is, and only then")
    others = [one for one in inspect.signature(batch).parameters if one != "ctx"]
    if len(others) != 1:
        raise TypeError(f"{name}: {batch.__name__} takes one list of arguments, and ctx if need be")


def mark_of(function: object) -> Mark | None:
    """The mark that `@syscall` left, if it did."""
    mark = getattr(function, MARK, None) if inspect.isfunction(function) else None
    return mark if isinstance(mark, Mark) else None
