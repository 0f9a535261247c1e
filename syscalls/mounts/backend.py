"""What a bridge needs of the far side, be it an MCP server or an HTTP service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..decorator import Effect
from ..errno import LoadError
from ..spec import SyscallSpec
from .schema import for_models
from .settings import Mount

MAX_NAME = 64
"""Of a syscall: the model's side takes no longer one."""

MAX_SUMMARY = 1024
"""Characters of a description that a model reads."""

Tell = Callable[[str], None]
"""How far a call is, in words."""


class Backend(Protocol):
    """`specs` is what it offers now. `ended` is done, with how, when it can take no more calls."""

    specs: tuple[SyscallSpec, ...]
    ended: asyncio.Future[str]

    async def refresh(self) -> None:
        """Ask what it offers. Raises LoadError."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any], tell: Tell) -> str:
        """Raises SyscallError. Cancelling the task calls it off on the far side, too."""
        ...


def spec_of(
    mount: Mount,
    name: str,
    about: str,
    parameters: dict[str, Any],
    effect: Effect,
    *,
    listed: bool = True,
) -> SyscallSpec:
    """Raises LoadError for a name that is too long. What no grammar can be made of is left out of
    the schema that a model is shown; arguments are held against all of it."""
    full = f"{mount.name}.{name}"
    if len(full) > MAX_NAME:
        raise LoadError(
            f"{full} is longer than {MAX_NAME} characters: give {mount.name} a shorter name"
        )
    summary = " ".join(about.strip().split("\n\n")[0].split())
    return SyscallSpec(
        name=full,
        plugin=mount.name,
        summary=summary[:MAX_SUMMARY],
        description=about.strip(),
        parameters=for_models(parameters),
        needs=f"{mount.kind}.{mount.name}",
        timeout_s=mount.timeout_s,
        effect=effect,
        listed=listed and mount.listed,
        is_async=True,
        source=f"{mount.what[:200]}",
    )
