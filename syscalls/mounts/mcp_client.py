"""One MCP server, by the `mcp` package: its tools, resources and prompts as syscalls."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx2
from mcp import Client, MCPError, types
from mcp.client import Transport
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.types import CONNECTION_CLOSED, INVALID_PARAMS, METHOD_NOT_FOUND
from pydantic import ValidationError

from ..decorator import Effect
from ..errno import EINVAL, EIO, ENOENT, ENOSYS, LoadError, SyscallError
from ..spec import SyscallSpec
from . import content
from .backend import Tell, spec_of
from .schema import Checker, tidy
from .settings import Mount
from .stdio import serve

CONNECT_S = 60.0
"""For what is fetched first (`npx`), too."""

HTTP_S = 20.0
LISTEN_AGAIN_S = 1.0
MAX_TOOLS = 512
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_SESSION_LOST = ("session terminated", "session not found", "not connected")

_NAME = {"type": "string", "description": "its name"}
_URI = {"type": "string", "description": "its address"}
_ARGUMENTS = {"type": "object", "additionalProperties": {"type": "string"}}

Call = Callable[[dict[str, Any], Tell], Coroutine[Any, Any, str]]


@asynccontextmanager
async def connect(mount: Mount, changed: Callable[[], None]) -> AsyncIterator[McpServer]:
    """A server that has said what it offers; `changed` is called when it says something else.

    Raises LoadError where it cannot be reached or makes no sense.
    """
    async with AsyncExitStack() as stack:
        ending: asyncio.Task[int] | None = None
        transport: Transport
        if mount.command:
            streams = await stack.enter_async_context(serve(mount))
            transport, ending = _Given(streams.streams), streams.ending
        else:
            http = httpx2.AsyncClient(
                headers=mount.headers, timeout=httpx2.Timeout(HTTP_S, read=None)
            )
            transport = streamable_http_client(
                mount.url, http_client=await stack.enter_async_context(http)
            )
        server = McpServer(mount, ending, changed)
        server.client = Client(
            transport,
            client_info=types.Implementation(name="llmos", version="1"),
            message_handler=server.hear,
            logging_callback=_log_message,
            cache=None,
        )
        try:
            async with asyncio.timeout(CONNECT_S):
                await stack.enter_async_context(server.client)
                await server.refresh()
        except TimeoutError:
            raise LoadError(f"it has not answered as MCP for {CONNECT_S:g} s") from None
        except (MCPError, httpx2.HTTPError, ValidationError, OSError, ExceptionGroup) as error:
            raise LoadError(await _why(ending, error)) from None
        listening = asyncio.create_task(server.listen())
        stack.callback(listening.cancel)
        yield server


async def _why(ending: asyncio.Task[int] | None, error: Exception) -> str:
    """Why a server could not be spoken to; that it has ended is seen a little later."""
    if ending is None:
        return f"it cannot be reached as MCP: {_words(error)}"
    await asyncio.wait([ending], timeout=1.0)
    if ending.done():
        return f"it ended with exit code {ending.result()} before it answered"
    return f"it does not answer as MCP: {_words(error)}"


class _Given:
    """Streams that are open already, as `Client` takes them."""

    def __init__(self, streams: tuple[Any, Any]) -> None:
        self._streams = streams

    async def __aenter__(self) -> tuple[Any, Any]:
        return self._streams

    async def __aexit__(self, *_: object) -> None:
        return None


class McpServer:
    """`specs` is what it offers now. `ended` is done when it can take no more calls."""

    client: Client

    def __init__(
        self, mount: Mount, ending: asyncio.Task[int] | None, changed: Callable[[], None]
    ) -> None:
        self.specs: tuple[SyscallSpec, ...] = ()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._mount = mount
        self._changed = changed
        self._calls: dict[str, Call] = {}
        if ending is not None:
            ending.add_done_callback(self._ended)

    def _ended(self, ending: asyncio.Task[int]) -> None:
        if not ending.cancelled():
            self._end(f"ended with exit code {ending.result()}")

    def _end(self, how: str) -> None:
        if not self.ended.done():
            self.ended.set_result(how)

    async def hear(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._changed()

    async def listen(self) -> None:
        """Hear of changes as servers of today's protocol tell them, on a stream that is asked for;
        older ones are heard by `hear`. A stream that was lost may have lost a change."""
        tools = self.client.server_capabilities.tools
        if not (tools and tools.list_changed):
            return
        with suppress(ListenNotSupportedError, MCPError, OSError, httpx2.HTTPError):
            while True:
                with suppress(SubscriptionLost):
                    async with self.client.listen(tools_list_changed=True) as changes:
                        async for _ in changes:
                            self._changed()
                await asyncio.sleep(LISTEN_AGAIN_S)
                self._changed()

    # ---- what it offers -------------------------------------------------------------------

    async def refresh(self) -> None:
        """Ask what it offers. Raises MCPError."""
        offered: dict[str, tuple[SyscallSpec, Call]] = {}
        can = self.client.server_capabilities
        if can.resources:
            offered |= self._resources()
        if can.prompts:
            offered |= self._prompts()
        if can.tools:  # last: a tool of the server's counts where it has one of our names
            offered |= await self._tools()
        self.specs = tuple(spec for spec, _ in offered.values())
        self._calls = {name: call for name, (_, call) in offered.items()}

    async def _tools(self) -> dict[str, tuple[SyscallSpec, Call]]:
        tools: list[types.Tool] = []
        cursor: str | None = None
        while len(tools) <= MAX_TOOLS:
            page = await self.client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        made: dict[str, tuple[SyscallSpec, Call]] = {}
        for tool in tools[:MAX_TOOLS]:
            try:
                spec, call = self._tool(tool)
                made[spec.name] = spec, call
            except LoadError as error:
                print(f"the tool {tool.name} is left out: {error}", file=sys.stderr, flush=True)
        return made

    def _tool(self, tool: types.Tool) -> tuple[SyscallSpec, Call]:
        if not _TOOL_NAME.fullmatch(tool.name):
            raise LoadError("its name has other characters than letters, digits, _, - and .")
        schema = tidy(tool.input_schema)
        checker = Checker(schema)

        async def call(arguments: dict[str, Any], tell: Tell) -> str:
            checker.check(arguments)
            return await self._call_tool(tool.name, arguments, tell)

        hints = tool.annotations or types.ToolAnnotations()
        effect: Effect = "once"
        if hints.read_only_hint:
            effect = "pure"
        elif hints.idempotent_hint:
            effect = "idempotent"
        about = tool.description or tool.title or hints.title or tool.name
        return spec_of(self._mount, tool.name, about, schema, effect), call

    async def _call_tool(self, name: str, arguments: dict[str, Any], tell: Tell) -> str:
        async def tell_progress(progress: float, total: float | None, message: str | None) -> None:
            of = f"{progress:g} of {total:g}" if total is not None else f"{progress:g}"
            tell(f"{of}: {message}" if message else of)

        result = await self.client.call_tool(name, arguments, progress_callback=tell_progress)
        text = content.result_text(result)
        if result.is_error:
            raise EIO(text)
        return text

    def _resources(self) -> dict[str, tuple[SyscallSpec, Call]]:
        async def list_resources(arguments: dict[str, Any], tell: Tell) -> str:
            resources = await self.client.list_resources()
            templates = await self.client.list_resource_templates()
            return content.resources_text(resources.resources, templates.resource_templates)

        async def read_resource(arguments: dict[str, Any], tell: Tell) -> str:
            try:
                result = await self.client.read_resource(arguments["uri"])
            except MCPError as error:
                if error.code in (CONNECTION_CLOSED, METHOD_NOT_FOUND):
                    raise
                raise ENOENT(_words(error)) from None
            return content.contents_text(result.contents)

        return dict(
            (
                self._ours("list_resources", "List what can be read", {}, [], list_resources),
                self._ours(
                    "read_resource", "Read a resource", {"uri": _URI}, ["uri"], read_resource
                ),
            )
        )

    def _prompts(self) -> dict[str, tuple[SyscallSpec, Call]]:
        async def list_prompts(arguments: dict[str, Any], tell: Tell) -> str:
            return content.prompts_text((await self.client.list_prompts()).prompts)

        async def get_prompt(arguments: dict[str, Any], tell: Tell) -> str:
            given = arguments.get("arguments", {})
            return content.prompt_text(await self.client.get_prompt(arguments["name"], given))

        named = {"name": _NAME, "arguments": _ARGUMENTS}
        return dict(
            (
                self._ours("list_prompts", "List the prompts", {}, [], list_prompts),
                self._ours("get_prompt", "Get a prompt", named, ["name"], get_prompt),
            )
        )

    def _ours(
        self,
        name: str,
        about: str,
        properties: dict[str, Any],
        required: list[str],
        call: Call,
    ) -> tuple[str, tuple[SyscallSpec, Call]]:
        """A syscall of every server that has resources, or prompts. Offered to those processes
        that name it: in a small window tools go first."""
        schema = {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
        checker = Checker(schema)

        async def checked(arguments: dict[str, Any], tell: Tell) -> str:
            checker.check(arguments)
            return await call(arguments, tell)

        about = f"{about} of {self._mount.name}."
        spec = spec_of(self._mount, name, about, schema, "pure", listed=False)
        return spec.name, (spec, checked)

    # ---- calls ----------------------------------------------------------------------------

    async def call(self, name: str, arguments: Mapping[str, Any], tell: Tell) -> str:
        """Raises SyscallError."""
        if name not in self._calls:
            raise ENOSYS(f"{self._mount.name} no longer has {name}")
        try:
            return await self._calls[name](dict(arguments), tell)
        except MCPError as error:
            raise self._explained(error) from None
        except (httpx2.HTTPError, OSError) as error:
            self._end(f"cannot be reached: {_words(error)}")
            raise EIO(f"{self._mount.name} cannot be reached: {_words(error)}") from None
        except (ValidationError, RuntimeError) as error:
            raise EIO(f"{self._mount.name} answered what is no answer: {_words(error)}") from None

    def _explained(self, error: MCPError) -> SyscallError:
        words = _words(error)
        if error.code == CONNECTION_CLOSED or words.lower().startswith(_SESSION_LOST):
            self._end(f"hung up: {words}")
            return EIO(
                f"{self._mount.name} hung up during the call",
                hint="what it was doing may or may not have happened",
            )
        if error.code == INVALID_PARAMS:
            return EINVAL(words)
        if error.code == METHOD_NOT_FOUND:
            return ENOSYS(words)
        return EIO(words)


async def _log_message(params: types.LoggingMessageNotificationParams) -> None:
    print(f"{params.level}: {params.data}", file=sys.stderr, flush=True)


def _words(error: BaseException) -> str:
    """The first true cause, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(str(error).split())
    return text or type(error).__name__


# What the package logs is about lines that `stdio` has told already, or errors that we raise.
logging.getLogger("mcp").setLevel(logging.CRITICAL)
logging.getLogger("httpx2").setLevel(logging.WARNING)
