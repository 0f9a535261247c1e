"""Supervisors, and links between processes."""

from __future__ import annotations

from typing import assert_never

from ...syscalls.errno import EINVAL, SyscallError
from .. import childspec, limits, messages
from ..kernel import Kernel
from .checks import folder, subject
from .client import Client, begun


async def answer(kernel: Kernel, request: messages.SupervisionRequest, client: Client) -> object:
    match request:
        case messages.Supervise():
            return await _supervise(kernel, request, client)
        case messages.Link(pid, partner):
            await kernel.link(subject(kernel, pid), subject(kernel, partner))
        case messages.Unlink(pid, partner):
            await kernel.unlink(subject(kernel, pid), subject(kernel, partner))
        case _:
            assert_never(request)
    return {}


async def _supervise(kernel: Kernel, request: messages.Supervise, client: Client) -> dict[str, int]:
    spec = childspec.checked(request.spec)
    for index, child in enumerate(spec.children):
        try:
            await kernel.check_program(child.program)
            await kernel.check_tools(child.tools)
        except SyscallError as error:
            words = f"children.{index}: {error.message}"
            raise EINVAL(words, hint=error.hint) from None
    process = await kernel.spawn(
        task=childspec.as_text(spec),
        name=request.name or "supervisor",
        root=folder(request.root),
        parent=request.parent,
        program="supervisor",
        limits=limits.parse(request.limits),
        budget=request.budget,
        new_group=True,
    )
    return begun(process, client, request.attach)
