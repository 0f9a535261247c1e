"""Who runs a syscall: a host, or for those built in as `async def` the kernel itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from . import batch
from .context import Context
from .desk import Desk, SecretOf, no_secrets
from .errno import ETIME
from .host import PluginHost
from .invoke import MAX_OUTPUT, invoke_async
from .loader import Syscall


class Runner(Protocol):
    async def run(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float
    ) -> str:
        """The text of one call, or SyscallError. Cancelling the task stops the call."""
        ...


class InKernel:
    """Built-in `async def`s, on the kernel's own loop: they need the kernel's services."""

    def __init__(
        self,
        calls: Iterable[Syscall],
        max_output: int = MAX_OUTPUT,
        secret_of: SecretOf = no_secrets,
    ) -> None:
        self._calls = {call.spec.name: call for call in calls}
        self._max_output = max_output
        self._secret_of = secret_of

    async def run(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float
    ) -> str:
        call = self._calls[name]
        ctx = replace(ctx, line=Desk(call.spec, ctx.kernel, self._secret_of))
        try:
            async with asyncio.timeout(timeout_s):
                return await invoke_async(call, arguments, ctx, self._max_output)
        except TimeoutError:
            raise ETIME(f"{name} ran longer than {timeout_s:g} s and was stopped") from None


class Checked:
    """Built-in `def`s: arguments are checked here, so that a wrong one costs no worker."""

    def __init__(self, calls: Iterable[Syscall], host: PluginHost) -> None:
        self._calls = {call.spec.name: call for call in calls}
        self._host = host

    async def run(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float
    ) -> str:
        if batch.KEY not in arguments:  # of several, a wrong one must not stop the others
            self._calls[name].arguments.bind(arguments, ctx)
        return await self._host.run(name, arguments, ctx, timeout_s)
