"""Plugins and syscalls, as a client is told of them."""

from __future__ import annotations

from ..syscalls.spec import SyscallSpec
from . import messages
from .kernel import Kernel


def plugins(kernel: Kernel) -> list[messages.PluginInfo]:
    """Those that were found, then what is mounted."""
    return [
        messages.PluginInfo(
            name=record.name,
            origin=record.origin,
            version=record.version,
            syscalls=list(record.syscalls),
            load_ms=record.load_ms,
            error=record.error,
            path=record.path,
            hooks=list(record.hooks),
            offers=list(record.offers),
            enabled=record.enabled,
        )
        for record in (*kernel.plugins.records(), *kernel.mounts.records())
    ]


async def syscalls(kernel: Kernel, name: str | None) -> list[messages.SyscallInfo]:
    """All of them, or the one that is named. Raises ENOSYS, with the nearest name."""
    table = kernel.plugins.table
    if name is not None:
        await kernel.check_tools([name])  # waits for it while the kernel boots
    specs = table.specs() if name is None else [table.lookup(name).spec]
    return [syscall(spec) for spec in specs]


def syscall(spec: SyscallSpec) -> messages.SyscallInfo:
    return messages.SyscallInfo(
        name=spec.name,
        plugin=spec.plugin,
        summary=spec.summary,
        description=spec.description,
        parameters=spec.parameters,
        needs=spec.needs,
        timeout_s=spec.timeout_s,
        effect=spec.effect,
        source=spec.source,
        approve=spec.approve,
        max_output=spec.max_output,
        trusted_args=list(spec.trusted_args),
        example=spec.example,
        streams=spec.streams,
    )
