"""`python -m llmos.gateway.main --socket=… --root=…`: an MCP server on stdin and stdout."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from contextlib import suppress
from typing import Any

from mcp import MCPError, types
from mcp.server import NotificationOptions, Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from .. import __version__
from ..shell.errors import ShellError
from .session import Session
from .watcher import Watcher

INSTRUCTIONS = (
    "Syscalls of llmos, an operating system for LLM agents. They run as a process of its own, whose"
    " files are those of one folder. `ask` has an agent of llmos do something; `spawn` starts one"
    " that works beside you, and `wait` reads its answer."
)

ASK = types.Tool(
    name="ask",
    description="Ask an agent of llmos and get its answer. With a pid, the one that has answered"
    " before and knows what was said; without, a new one.",
    input_schema={
        "type": "object",
        "properties": {
            "prompt": {"type": "string", "description": "what it should do or answer"},
            "pid": {"type": "integer", "description": "of an agent that was asked before"},
        },
        "required": ["prompt"],
        "additionalProperties": False,
    },
)


async def serve(socket: str, root: str) -> None:
    """Until the client hangs up."""
    session = Session(socket, root)
    gateway = Gateway(session)
    server: Server[Any] = Server(
        "llmos",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=gateway.list_tools,
        on_call_tool=gateway.call_tool,
        on_subscriptions_listen=ListenHandler(gateway.changes),
    )
    try:
        async with stdio_server() as (incoming, outgoing):
            told = NotificationOptions(tools_changed=True)
            await server.run(incoming, outgoing, server.create_initialization_options(told))
    finally:
        gateway.watcher.close()
        session.close()


class Gateway:
    """MCP's requests, answered by the kernel."""

    def __init__(self, session: Session) -> None:
        self.watcher = Watcher(session.syscalls)
        self.changes = InMemorySubscriptionBus()
        self._session = session
        self._meant: dict[str, str] = {}

    async def list_tools(
        self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        self._name(ctx)
        try:
            syscalls = await self._session.syscalls()
        except ShellError as error:
            raise MCPError(types.INTERNAL_ERROR, error.message) from None
        self._meant = {spoken(info.name): info.name for info in syscalls}
        self.watcher.listed(syscalls, lambda: self._tell_change(ctx))
        return types.ListToolsResult(tools=[*map(_tool, syscalls), ASK])

    async def _tell_change(self, ctx: ServerRequestContext[Any]) -> None:
        """Clients of today's protocol listen to a stream; older ones are told unasked."""
        await self.changes.publish(ToolsListChanged())
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            await ctx.session.send_tool_list_changed()

    async def call_tool(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        self._name(ctx)
        arguments = dict(params.arguments or {})
        try:
            if params.name == ASK.name:
                return await self._ask(ctx, arguments)
            if params.name not in self._meant:  # a client may call before it lists
                await self.list_tools(ctx, None)
            name = self._meant.get(params.name, params.name)
            async with _Telling(ctx) as telling:
                ok, text = await self._session.call(name, arguments, telling.hear)
            return _result(ok, text)
        except ShellError as error:
            hint = f" ({error.hint})" if error.hint else ""
            return _result(False, f"{error.code}: {error.message}{hint}")

    async def _ask(
        self, ctx: ServerRequestContext[Any], arguments: dict[str, Any]
    ) -> types.CallToolResult:
        prompt, pid = arguments.get("prompt"), arguments.get("pid")
        if not isinstance(prompt, str) or not prompt.strip():
            return _result(False, "EINVAL: prompt: expected some text")
        if pid is not None and not isinstance(pid, int):
            return _result(False, "EINVAL: pid: expected an integer")
        async with _Telling(ctx, joined=True) as telling:
            pid, answered, text = await self._session.ask(prompt, pid, telling.hear)
        words = "says" if answered else "could not finish its turn"
        return _result(answered, f"pid {pid} {words}: {text}")

    def _name(self, ctx: ServerRequestContext[Any]) -> None:
        """The guest is called as its client calls itself."""
        with suppress(AttributeError):
            client = ctx.session.client_params
            if client is not None:
                self._session.name = f"{client.client_info.name} (mcp)"


class _Telling:
    """Tells a client that asked for it how far a call is, piece by piece, or what an agent says
    while it says it, `joined`."""

    def __init__(self, ctx: ServerRequestContext[Any], *, joined: bool = False) -> None:
        self._joined = joined
        self._session = ctx.session
        self._token = (ctx.meta or {}).get("progress_token")
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> _Telling:
        if self._token is not None:
            self._task = asyncio.create_task(self._tell(self._token))
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if self._task is None:
            return
        if kind is None:  # what was heard is told before the result
            self._pieces.put_nowait(None)
            await self._task
        self._task.cancel()

    def hear(self, text: str) -> None:
        self._pieces.put_nowait(text)

    async def _tell(self, token: str | int) -> None:
        told = 0
        while (text := await self._pieces.get()) is not None:
            while self._joined and not self._pieces.empty():
                more = self._pieces.get_nowait()
                if more is None:
                    self._pieces.put_nowait(None)
                    break
                text += more
            told += len(text)
            with suppress(MCPError):
                await self._session.send_progress_notification(token, told, message=text)


def _tool(info: Any) -> types.Tool:
    return types.Tool(
        name=spoken(info.name),
        description=info.description,
        input_schema=info.parameters,
        annotations=types.ToolAnnotations(
            read_only_hint=info.effect == "pure",
            idempotent_hint=info.effect in ("pure", "idempotent"),
        ),
    )


def _result(ok: bool, text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=not ok)


def spoken(name: str) -> str:
    """Many clients take letters, digits, _ and - alone in a tool's name."""
    return name.replace(".", "__")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m llmos.gateway.main")
    parser.add_argument("--socket", required=True, help="the kernel's")
    parser.add_argument("--root", required=True, help="the folder that file syscalls see")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(serve(options.socket, options.root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
