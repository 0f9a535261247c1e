"""The hooks that a plugin may implement. Most need none: `@syscall` is enough.

from llmos import hookimpl

def make(unit):
    def convert(value: float) -> float:
        \"\"\"Convert a length.\"\"\"
        return value * FACTORS[unit]
    convert.__name__ = f"to_{unit}"
    return convert

@hookimpl
def llmos_syscalls():
    return [make(unit) for unit in FACTORS]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pluggy

PROJECT = "llmos"
hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def llmos_syscalls() -> Iterable[Callable[..., Any]]:
    """Syscalls beside those that `@syscall` marks in the module itself: made in a loop, or
    taken from another module. Unmarked ones get the defaults of `@syscall`."""
    return ()
