"""The desk: where the kernel hears and answers what a call asks of it while it runs.

One for each call. Whoever asks may be a plugin in a worker, so nothing is believed: what is not
known, not declared or not of the right kind is an error of the call.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .errno import EINVAL, ENOENT, ENOSYS, EPERM
from .services import KernelServices
from .spec import SyscallSpec

SecretOf = Callable[[str, str], str]
"""The secret of a plugin by its name. Raises SyscallError."""

MAX_TOLD = 1000
"""Characters of one line of progress."""


class Desk:
    """For a call inside the kernel it is the line itself."""

    cancelled = False  # an `async def` inside the kernel is cancelled, and need not look

    def __init__(
        self, spec: SyscallSpec, services: KernelServices | None, secret_of: SecretOf
    ) -> None:
        self._spec = spec
        self._services = services
        self._secret_of = secret_of

    @property
    def needs(self) -> tuple[str, ...]:
        return self._spec.capabilities

    def tell(self, what: str, text: str) -> None:
        if self._services is None:
            return
        if what == "progress":
            self._services.progress(self._spec.name, text[:MAX_TOLD])
        elif what == "output" and self._spec.streams:
            self._services.output(self._spec.name, text)

    def ask(self, what: str, **arguments: object) -> Any:
        raise ENOSYS(f"an async def cannot wait for {what}", hint="take ctx: AsyncContext")

    async def ask_async(self, what: str, **arguments: object) -> Any:
        return await self.answer(what, arguments)

    async def answer(self, what: str, arguments: Mapping[str, Any]) -> Any:
        """What was asked for, in the form of JSON. Raises SyscallError."""
        answers: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
            "spawn": self._spawn,
            "wait": self._wait,
            "ask": self._ask,
            "secret": self._secret,
            "read_proc": self._read_proc,
            "list_proc": self._list_proc,
        }
        if what not in answers:
            raise ENOSYS(f"the kernel cannot be asked to {what}")
        try:
            return await answers[what](**arguments)
        except (TypeError, ValueError) as error:
            raise EINVAL(f"{what}: {error}") from None

    async def _spawn(self, task: str) -> int:
        self._check("proc.spawn")
        return await self._kernel().spawn(str(task))

    async def _wait(self, pid: int) -> dict[str, Any]:
        return asdict(await self._kernel().wait(int(pid)))

    async def _ask(self, prompt: str, max_tokens: int) -> str:
        self._check("proc.spawn")
        return await self._kernel().ask(str(prompt), int(max_tokens))

    async def _secret(self, name: str) -> str:
        self._check(f"secret:{name}")
        return self._secret_of(self._spec.plugin, str(name))

    async def _read_proc(self, path: str) -> str:
        self._check("proc.read")
        return await self._kernel().read_proc(str(path))

    async def _list_proc(self, path: str) -> list[str]:
        self._check("proc.read")
        return await self._kernel().list_proc(str(path))

    def _kernel(self) -> KernelServices:
        if self._services is None:
            raise ENOSYS("there is no kernel behind this call")
        return self._services

    def _check(self, capability: str) -> None:
        if capability not in self.needs:
            raise EPERM(
                f"{self._spec.name} has not declared {capability}",
                hint=f'@syscall(needs="{capability}")',
            )


def no_secrets(plugin: str, name: str) -> str:
    raise ENOENT(f"there is no secret {name} for {plugin}")


def secrets_in(file: Path) -> SecretOf:
    """Those that the user has written down, by plugin: `{"weather": {"API_KEY": "…"}}`. The file is
    read at each use, and must be the user's alone."""

    def secret_of(plugin: str, name: str) -> str:
        wish = f'write {{"{plugin}": {{"{name}": "…"}}}} into {file}, with mode 0600'
        try:
            with file.open() as text:
                if _mode(text.fileno()) & 0o077:
                    raise EPERM(f"{file} can be read by others", hint=f"chmod 600 {file}")
                found = json.load(text)
        except FileNotFoundError:
            raise ENOENT(f"there is no secret {name} for {plugin}", hint=wish) from None
        except (OSError, ValueError) as error:
            raise EINVAL(f"{file} cannot be read: {error}") from None
        own = found.get(plugin) if isinstance(found, dict) else None
        if not isinstance(own, dict) or not isinstance(own.get(name), str):
            raise ENOENT(f"there is no secret {name} for {plugin}", hint=wish)
        return str(own[name])

    return secret_of


def _mode(fd: int) -> int:
    return os.fstat(fd).st_mode
