"""An MCP server that we run, and its standard streams.

Beside what the transport of `mcp` does: the server stays in the bridge's process group, so that it
ends with it; its environment is made by us; and what it says on standard output that is no message
(banners, stray prints) is told to the log and harms nobody.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from ..errno import LoadError
from .settings import Mount

MAX_LINE = 16 << 20
"""Longest message, in bytes; a server that sends a longer one is left."""

MAX_BANNER = 1000
LEAVE_S = 0.7
"""How long a server may take to end by itself: less than its bridge is given."""

_PASSED = frozenset("HOME LANG LANGUAGE LOGNAME PATH SHELL TERM TMPDIR TZ USER".split())


@dataclass(frozen=True, slots=True)
class Streams:
    """What `mcp` calls a transport, and how the process ends."""

    streams: tuple[object, object]
    ending: asyncio.Task[int]


def environment(mount: Mount) -> dict[str, str]:
    """What a server sees: where things are, and what its settings name. No key of anybody else."""
    kept = {n: v for n, v in os.environ.items() if n in _PASSED or n.startswith("LC_")}
    return kept | mount.env


@asynccontextmanager
async def serve(mount: Mount) -> AsyncIterator[Streams]:
    """Run the server for the length of a block. Raises LoadError where it cannot be started."""
    process = await _start(mount)
    assert process.stdin is not None and process.stdout is not None
    incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)

    async def hear(stdout: asyncio.StreamReader) -> None:
        async with incoming:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                async for line in _lines(stdout):
                    if message := _message(line):
                        await incoming.send(message)

    async def say(stdin: asyncio.StreamWriter) -> None:
        async with outgoing:
            with suppress(ConnectionError, RuntimeError):
                async for item in outgoing:
                    text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                    stdin.write(text.encode() + b"\n")
                    await stdin.drain()

    tasks = [
        asyncio.create_task(hear(process.stdout)),
        asyncio.create_task(say(process.stdin)),
    ]
    ending = asyncio.create_task(process.wait())
    try:
        yield Streams((read, write), ending)
    finally:
        process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await asyncio.shield(ending)
        for task in (*tasks, ending):
            task.cancel()
        await asyncio.gather(*tasks, ending, return_exceptions=True)
        for stream in (incoming, read, write, outgoing):
            stream.close()


async def _start(mount: Mount) -> asyncio.subprocess.Process:
    environ = environment(mount)
    command = shutil.which(mount.command, path=environ.get("PATH"))
    if os.path.dirname(mount.command):
        command = os.path.join(mount.cwd, mount.command)
    if command is None:
        raise LoadError(
            f"there is no command {mount.command!r} on the PATH, {environ.get('PATH', '')}"
        )
    try:
        return await asyncio.create_subprocess_exec(
            command,
            *mount.args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None,  # the bridge's, which is the kernel's log
            env=environ,
            cwd=mount.cwd,
            limit=MAX_LINE,
        )
    except (OSError, ValueError) as error:
        raise LoadError(f"{mount.command!r} cannot be run in {mount.cwd}: {error}") from None


async def _lines(stdout: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        try:
            line = await stdout.readline()
        except ValueError:
            _tell(f"a line of more than {MAX_LINE} bytes: the server is left")
            return
        if not line:
            return
        if line.strip():
            yield line


def _message(line: bytes) -> SessionMessage | None:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        _tell(line[:MAX_BANNER].decode(errors="replace").rstrip())
        return None


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
