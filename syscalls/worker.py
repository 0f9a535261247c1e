"""The child side of a plugin host: `python -m llmos.syscalls.worker SOCKET_FD PARENT_PID`.

A worker imports its plugin, says what it found, and then runs calls. A `def` runs on the main
thread with no event loop around it, one at a time, in the folder of the process that called: to
stop it, the host kills the worker. The first `async def` turns the worker into an event loop that
runs many at once. One that has been told of a call of somebody's (`Observe`) runs the plugin's
observing hooks and nothing else.

Standard output belongs to the plugin (it is the host's log); frames go over a socket of their own.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import pluggy

from . import programs
from .context import Context, Line
from .errno import EIO, ENOENT, LoadError, SyscallError
from .frames import Frames
from .invoke import clean, cut, invoke, invoke_async
from .lines import AwaitingLine, BlockingLine
from .loader import Plugin, Syscall, load
from .wire import (
    HEADER,
    REQUEST,
    Answer,
    Call,
    Cancel,
    Loaded,
    Message,
    Observe,
    Offer,
    Raised,
    Refused,
    Request,
    Returned,
    Start,
    pack,
)

MAX_MESSAGE = 4096
_PR_SET_PDEATHSIG = 1


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)  # what a plugin starts cannot speak for it
    die_with(int(sys.argv[2]))
    frames = Frames(channel)
    start = frames.receive()
    assert isinstance(start, Start), "a host says first what to import"
    be_expendable(start.max_memory)
    try:
        plugins = [load(source) for source in start.sources]
    except LoadError as error:
        frames.send(Refused(message=_short(error.message), where=clean(error.where)))
        return
    except MemoryError:
        frames.send(Refused(message="it ran out of memory while it was imported", where=""))
        return
    calls = {call.spec.name: call for plugin in plugins for call in plugin.calls}
    frames.send(loaded(plugins))
    Worker(frames, calls | programs.calls(plugins), plugins, start.max_output).serve()


def loaded(plugins: list[Plugin]) -> Loaded:
    return Loaded(
        specs=tuple(call.spec for plugin in plugins for call in plugin.calls),
        hooks=tuple(hook for plugin in plugins for hook in plugin.hooks),
        offers=tuple(
            Offer(hook=one.hook, name=one.name, summary=clean(one.summary))
            for plugin in plugins
            for one in plugin.offers
        ),
        files=tuple(file for plugin in plugins for file in plugin.files),
        path=str(getattr(plugins[0].module, "__file__", "") if plugins else ""),
        version=str(getattr(plugins[0].module, "__version__", "") if plugins else ""),
    )


def die_with(parent: int) -> None:
    """End with the kernel, even in the middle of a loop, and however the kernel ends."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before the line above
        os._exit(0)


def be_expendable(max_memory: int) -> None:
    """When memory runs out a worker goes first, not the kernel; and it leaves no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (max_memory, max_memory))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


class Worker:
    """Runs what its host sends."""

    def __init__(
        self, frames: Frames, calls: dict[str, Syscall], plugins: list[Plugin], max_output: int
    ) -> None:
        self._frames = frames
        self._calls = calls
        self._plugins = plugins
        self._max_output = max_output

    def serve(self) -> None:
        """Run `def` after `def`, until the host hangs up or an `async def` comes."""
        while True:
            request = self._frames.receive()
            if request is None:
                return
            if isinstance(request, Call) and self._calls[request.name].spec.is_async:
                asyncio.run(Loop(self._frames.channel, self._calls, self._max_output).run(request))
                return
            if isinstance(request, Call):
                self._frames.send(self._run(self._calls[request.name], request))
            elif isinstance(request, Observe):
                observe([plugin.manager for plugin in self._plugins], request)
            # A cancellation or an answer may come when its call has just ended.

    def _run(self, call: Syscall, request: Call) -> Returned | Raised:
        line = BlockingLine(call.spec, request, self._frames)
        try:
            try:
                os.chdir(request.root)  # so that a plugin's own relative paths begin there
            except OSError as error:
                raise ENOENT(f"the process's folder cannot be entered: {error}") from None
            text = invoke(call, request.arguments, _context(request, line), self._max_output)
        except SyscallError as error:
            return _raised(request, error)
        return Returned(id=request.id, text=text)


class Loop:
    """Runs every `async def` as it comes, side by side."""

    def __init__(self, channel: socket.socket, calls: dict[str, Syscall], max_output: int) -> None:
        self._channel = channel
        self._calls = calls
        self._max_output = max_output
        self._running: dict[int, tuple[asyncio.Task[None], AwaitingLine]] = {}
        self._writer: asyncio.StreamWriter

    async def run(self, first: Call) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._channel)
        request: Request = first
        while True:
            self._take(request)
            try:
                size = HEADER.unpack(await reader.readexactly(HEADER.size))[0]
                request = REQUEST.validate_json(await reader.readexactly(size))
            except (asyncio.IncompleteReadError, ConnectionError):
                os._exit(0)  # the host is gone, and nobody waits for those that still run

    def _take(self, request: Request) -> None:
        if isinstance(request, Call):
            call = self._calls[request.name]
            line = AwaitingLine(call.spec, request, self._send)
            task = asyncio.create_task(self._run_one(call, request, line))
            self._running[request.id] = task, line
        elif isinstance(request, Cancel | Answer) and request.id in self._running:
            task, line = self._running[request.id]
            if isinstance(request, Answer):
                line.take(request)
            else:
                line.cancel()
                task.cancel()

    async def _run_one(self, call: Syscall, request: Call, line: AwaitingLine) -> None:
        try:
            text = await invoke_async(
                call, request.arguments, _context(request, line), self._max_output
            )
            self._send(Returned(id=request.id, text=text))
        except SyscallError as error:
            self._send(_raised(request, error))
        except asyncio.CancelledError:
            self._send(_raised(request, EIO("cancelled")))
        finally:
            del self._running[request.id]

    def _send(self, message: Message) -> None:
        self._writer.write(pack(message))


def observe(managers: list[pluggy.PluginManager], seen: Observe) -> None:
    """Run the hooks. One that raises is told on standard error, which is the plugin's log."""
    for manager in managers:
        try:
            match seen.event:
                case "before":
                    manager.hook.llmos_before_syscall(call=seen.call)
                case "after":
                    manager.hook.llmos_after_syscall(call=seen.call, text=seen.text)
                case "failed":
                    manager.hook.llmos_syscall_failed(call=seen.call, error=seen.text)
        except Exception:
            traceback.print_exc()


def _context(request: Call, line: Line) -> Context:
    return Context(pid=request.pid, call_id=request.call_id, root=Path(request.root), line=line)


def _raised(request: Call, error: SyscallError) -> Raised:
    return Raised(
        id=request.id,
        code=_short(error.code),
        message=_short(error.message),
        hint=_short(error.hint),
    )


def _short(text: str) -> str:
    return cut(clean(str(text)), MAX_MESSAGE)


if __name__ == "__main__":
    main()
