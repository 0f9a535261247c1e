"""What is mounted, as a client is told it."""

from __future__ import annotations

from ..syscalls.errno import EIO
from ..syscalls.mounts.mounted import Mounted, Tool
from ..syscalls.mounts.settings import Mistake
from ..syscalls.spec import SyscallSpec
from . import messages
from .kernel import Kernel


def mounts(kernel: Kernel, name: str | None) -> list[messages.MountInfo]:
    """All mounts by name, and what is wrong in the files; or the one that is named. Raises
    ENOENT."""
    mistakes = [m for m in kernel.mounts.mistakes if name in (None, m.name)]
    if name is not None and not mistakes:
        return [_info(kernel, kernel.mounts.find(name))]
    found = [_info(kernel, one) for one in kernel.mounts.mounts if name in (None, one.mount.name)]
    return found + [_mistake(one) for one in mistakes]


def approve(kernel: Kernel, name: str) -> list[str]:
    """The syscalls that come into use. Raises EAGAIN, EIO, ENOENT."""
    try:
        return [tool.spec.name for tool in kernel.mounts.approve(name)]
    except OSError as error:
        raise EIO(f"it cannot be kept that {name} is approved: {error}") from None


def _info(kernel: Kernel, mounted: Mounted) -> messages.MountInfo:
    mount = mounted.mount
    crowd = kernel.offering.crowded(kernel.window_tokens).get(mount.name)
    note = ""
    if crowd is not None:
        note = (
            f"its tools take {crowd.tokens} tokens of a window that has {crowd.left} left for them:"
            f" agents are offered those that they name, as in --tools '{mount.name}.*'"
        )
    return messages.MountInfo(
        name=mount.name,
        kind=mount.kind,
        origin=mount.origin,
        what=mount.what,
        state=mounted.state,
        restarts=mounted.restarts,
        tools=[_tool(tool, mounted.agreed(tool.spec.name)) for tool in mounted.tools()],
        output=mounted.output,
        error=mounted.error,
        note=note,
    )


def _tool(tool: Tool, before: SyscallSpec | None) -> messages.MountedTool:
    differs = tool.standing == "changed" and before is not None
    return messages.MountedTool(
        name=tool.spec.name,
        standing=tool.standing,
        description=tool.spec.description,
        parameters=tool.spec.parameters,
        before=before.description if differs and before else "",
        parameters_before=before.parameters if differs and before else None,
    )


def _mistake(mistake: Mistake) -> messages.MountInfo:
    return messages.MountInfo(
        name=mistake.name,
        kind="",
        origin=mistake.origin,
        what="",
        state="down",
        restarts=0,
        tools=[],
        output=[],
        error=mistake.error,
    )
