"""The scheduling trace, which ends with the connection that wants it."""

from __future__ import annotations

from ...syscalls.errno import ENOENT
from .. import messages
from ..kernel import Kernel
from .checks import absolute
from .client import Client

TRACE = "trace"


async def answer(kernel: Kernel, request: messages.TracingRequest, client: Client) -> object:
    match request:
        case messages.StartTrace(path, max_bytes):
            kernel.recorder.start(absolute("path", path), max_bytes)
            client.at_close(TRACE, lambda: kernel.errand(kernel.recorder.close()))
            return {}
        case messages.StopTrace():
            if not client.will_close(TRACE):
                raise ENOENT("this connection records no trace")
            client.forget(TRACE)
            return await kernel.recorder.stop()
