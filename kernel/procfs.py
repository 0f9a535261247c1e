"""/proc: the kernel as files, a folder a process. Nothing of it is on a disk.

Another file of a process is another entry of `FILES` in `proc/of_processes.py`. A client sees all
of it, an agent itself and what is below it: not the texts of others, nor how the kernel stands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..syscalls.errno import EISDIR, ENOENT, ENOTDIR, EPERM, did_you_mean
from . import memory_view
from .kernel import Kernel
from .messages import ProcEntry
from .proc import of_kernel, of_processes, one_line
from .process import Process

SELF = "self"


@dataclass(frozen=True, slots=True)
class _Folder:
    """What is in it, worked out when it is listed."""

    path: str
    entries: Callable[[], list[ProcEntry]]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    read: Callable[[], Awaitable[str]]


async def read(kernel: Kernel, path: str, viewer: Process | None = None) -> str:
    """A file's text, as an agent may see it, or a client (None). Raises EIO, EISDIR, ENOENT, EPERM,
    ESRCH."""
    found = await _find(kernel, path, viewer)
    if isinstance(found, _Folder):
        names = ", ".join(entry.name for entry in found.entries()[:20])
        raise EISDIR(f"{found.path} is a folder", hint=f"there are {names} in it")
    return await found.read()


async def listing(kernel: Kernel, path: str, viewer: Process | None = None) -> list[ProcEntry]:
    """What is in a folder. Raises ENOENT, ENOTDIR, EPERM, ESRCH."""
    found = await _find(kernel, path, viewer)
    if isinstance(found, _File):
        raise ENOTDIR(f"{found.path} is a file", hint=f"llmos cat {found.path}")
    return found.entries()


async def _find(kernel: Kernel, path: str, viewer: Process | None) -> _Folder | _File:
    match [part for part in path.split("/") if part not in ("", ".")]:
        case ["proc"]:
            return _Folder("/proc", lambda: _top(kernel, viewer))
        case ["proc", name] if name in of_kernel.FILES:
            if viewer is not None:
                raise EPERM(f"/proc/{name} is for clients", hint=f"there is /proc/{SELF}")
            return _File(f"/proc/{name}", lambda: of_kernel.FILES[name].read(kernel))
        case ["proc", who]:
            process = await _process(kernel, who, viewer)
            return _Folder(f"/proc/{process.pid}", _files)
        case ["proc", who, name]:
            process = await _process(kernel, who, viewer)
            return _process_file(kernel, process, name)
    raise ENOENT(f"there is no {path}", hint="there is /proc/PID/status, for instance")


def _top(kernel: Kernel, viewer: Process | None) -> list[ProcEntry]:
    if viewer is None:
        files = [ProcEntry(name, False, file.about) for name, file in of_kernel.FILES.items()]
        return [*map(_folder, kernel.table), *files]
    below = sorted(kernel.table.descendants(viewer.pid), key=lambda one: one.pid)
    return [ProcEntry(SELF, True, "yourself"), *map(_folder, (viewer, *below))]


def _folder(process: Process) -> ProcEntry:
    return ProcEntry(str(process.pid), True, f"{one_line(process.name, 40)}, {process.state.value}")


def _files() -> list[ProcEntry]:
    return [ProcEntry(name, False, file.about) for name, file in of_processes.FILES.items()]


def _process_file(kernel: Kernel, process: Process, name: str) -> _File:
    file = of_processes.FILES.get(name)
    if file is None:
        known = of_processes.FILES
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise ENOENT(f"there is no {name} in /proc/{process.pid}", hint=hint)
    return _File(f"/proc/{process.pid}/{name}", lambda: file.read(kernel, process))


async def _process(kernel: Kernel, who: str, viewer: Process | None) -> Process:
    """The process of a folder, reaped ones included. Raises ENOENT, EPERM, ESRCH."""
    if who == SELF:
        if viewer is None:
            raise ENOENT("a client is no process, and has no self", hint="/proc/PID")
        return viewer
    if not (who.isascii() and who.isdecimal()) or len(who) > 18:
        names = [SELF, *of_kernel.FILES]
        raise ENOENT(f"there is no /proc/{who}", hint=did_you_mean(who, names))
    pid = int(who) if viewer is None else viewer.meant(int(who))
    process = kernel.table.get(pid)
    if process is None:
        process = await memory_view.look(kernel, lambda c: memory_view.life(c, pid))
    if viewer is not None and not _sees(kernel, viewer, process):
        raise EPERM(f"process {pid} is not below process {viewer.pid}", hint="list_files /proc")
    return process


def _sees(kernel: Kernel, viewer: Process, process: Process) -> bool:
    """Itself, and what is below it; of those that are reaped, its own children."""
    if process.pid in kernel.table:
        return process is viewer or viewer.pid in kernel.table.ancestors(process.pid)
    return process.parent == viewer.pid
