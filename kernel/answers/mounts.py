"""What is mounted, and what of it is approved."""

from __future__ import annotations

from .. import messages, mount_view
from ..kernel import Kernel


def answer(kernel: Kernel, request: messages.MountRequest) -> object:
    match request:
        case messages.Mounts(name):
            return {"mounts": mount_view.mounts(kernel, name)}
        case messages.ApproveMount(name):
            return {"syscalls": mount_view.approve(kernel, name)}
