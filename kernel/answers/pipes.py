"""Pipes, whose ends a connection holds."""

from __future__ import annotations

from functools import partial
from typing import assert_never

from ...syscalls.errno import EPERM
from .. import messages
from ..kernel import Kernel
from ..pipe import End, Pipe
from .client import Client

ENDS = {"read": End.READ, "write": End.WRITE}


async def answer(kernel: Kernel, request: messages.PipeRequest, client: Client) -> object:
    match request:
        case messages.MakePipe(capacity):
            return await _make(kernel, capacity, client)
        case messages.PipeWrite(pipe_id, text):
            await kernel.write(_held(kernel, pipe_id, End.WRITE, client), text)
        case messages.PipeRead(pipe_id, limit, timeout_s):
            pipe = _held(kernel, pipe_id, End.READ, client)
            text, eof = await kernel.read(pipe, limit, timeout_s)
            return {"text": text, "eof": eof}
        case messages.PipeClose(pipe_id, end):
            await _close(kernel, pipe_id, ENDS[end], client)
        case _:
            assert_never(request)
    return {}


async def _make(kernel: Kernel, capacity: int, client: Client) -> dict[str, int]:
    pipe = await kernel.make_pipe(capacity)
    for end in End:
        client.at_close((pipe.id, end), partial(kernel.cut_off, pipe, end))
    return {"pipe": pipe.id}


async def _close(kernel: Kernel, pipe_id: int, end: End, client: Client) -> None:
    """Unlike a connection that ends, this says that what was written is all there is."""
    pipe = _held(kernel, pipe_id, end, client)
    client.forget((pipe_id, end))
    if end is End.WRITE:
        await kernel.fed_whole(pipe)
    else:
        kernel.close_end(pipe, end)


def _held(kernel: Kernel, pipe_id: int, end: End, client: Client) -> Pipe:
    """A pipe of which the client holds the end. Raises ENOENT, EPERM."""
    pipe = kernel.pipe(pipe_id)
    if not client.will_close((pipe_id, end)):
        name = next(name for name, one in ENDS.items() if one is end)
        raise EPERM(f"this connection does not hold the {name} end of pipe {pipe_id}")
    return pipe
