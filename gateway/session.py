"""One MCP session's side of the kernel: a guest process, and the agents that are asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from ..shell.async_client import AsyncClient
from ..shell.errors import KernelError, NoKernel

Heard = Callable[[str], None]
"""Called with each piece of an answer as it comes, or with how far a call is."""


class Session:
    """Holds the connection: when that ends, the guest and all below it end. After a restart of the
    kernel the next call makes another guest; agents that were asked before are gone then."""

    def __init__(self, socket: str, root: str) -> None:
        self.name = "mcp client"
        self._root = root
        self._client = AsyncClient(socket, self._on_event, self._lost)
        self._opening = asyncio.Lock()
        self._pid: int | None = None
        self._agents: dict[int, _Agent] = {}
        self._keys = itertools.count(1)
        self._calls: dict[str, Heard] = {}

    def close(self) -> None:
        self._client.close()

    async def guest(self) -> int:
        """The pid of the process that makes the calls. Raises KernelError, NoKernel."""
        async with self._opening:
            if self._pid is None:
                opened = await self._client.ask(
                    "open_guest", root=self._root, name=self.name, attach=True
                )
                self._pid = int(opened.pid)
            return self._pid

    async def syscalls(self) -> list[Any]:
        """Those that are offered. Raises KernelError, NoKernel."""
        found: list[Any] = (await self._client.ask("offered", pid=await self.guest())).syscalls
        return found

    async def call(self, name: str, arguments: dict[str, Any], heard: Heard) -> tuple[bool, str]:
        """Did it do what it should, and the result. Cancelling the task calls it off. Raises
        KernelError, NoKernel."""
        pid, key = await self.guest(), f"mcp {next(self._keys)}"
        self._calls[key] = heard
        asking = asyncio.ensure_future(
            self._client.ask("call", pid=pid, name=name, arguments=arguments, key=key)
        )
        try:
            result = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(lambda done: done.exception())
            off = asyncio.ensure_future(self._client.ask("cancel_call", pid=pid, key=key))
            off.add_done_callback(lambda done: done.exception())
            raise
        finally:
            self._calls.pop(key, None)
        return bool(result.ok), str(result.text)

    # ---- agents ---------------------------------------------------------------------------

    async def ask(self, text: str, pid: int | None, heard: Heard) -> tuple[int, bool, str]:
        """An agent's pid, whether it answered, and what. None asks a new one. Raises KernelError,
        NoKernel."""
        if pid is None:
            pid = await self._new_agent(text)
        elif pid not in self._agents:
            raise KernelError("ECHILD", f"process {pid} is no agent that was asked in this session")
        agent = self._agents[pid]
        async with agent.asked:
            agent.begin(heard)
            await self._client.ask("send", pid=pid, text=text)
            try:
                answered, answer = await agent.answer
            except asyncio.CancelledError:
                off = asyncio.ensure_future(self._client.ask("kill", pid=pid, signal="INT"))
                off.add_done_callback(lambda done: done.exception())
                raise
        return pid, answered, answer

    async def _new_agent(self, text: str) -> int:
        born = await self._client.ask(
            "spawn",
            task=None,
            name=text,
            root=self._root,
            interactive=True,
            attach=True,
            parent=await self.guest(),
        )
        self._agents[int(born.pid)] = _Agent()
        return int(born.pid)

    def _on_event(self, event: Any) -> None:
        if event.event == "told" and event.kind == "progress":
            key = event.call_id.partition(".")[2]
            if event.pid == self._pid and key in self._calls:
                self._calls[key](event.text)
            return
        agent = self._agents.get(event.pid)
        if agent is None:
            return
        if event.event == "text":
            agent.heard(event.text)
        elif event.event == "turn":
            agent.settle(event.status == "done", event.text)
        elif event.event == "exit":
            agent.settle(event.status == 0, event.output)

    def _lost(self) -> None:
        self._pid = None
        gone, self._agents = self._agents, {}
        for agent in gone.values():
            if not agent.answer.done():
                agent.answer.set_exception(NoKernel("the kernel closed the connection"))


class _Agent:
    """One question at a time."""

    def __init__(self) -> None:
        self.asked = asyncio.Lock()
        self.heard: Heard = lambda text: None
        self.answer: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
        self.answer.cancel()

    def begin(self, heard: Heard) -> None:
        self.heard = heard
        self.answer = asyncio.get_running_loop().create_future()

    def settle(self, answered: bool, text: str) -> None:
        if not self.answer.done():
            self.answer.set_result((answered, text))
