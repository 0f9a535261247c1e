"""/proc: the kernel as files, a folder a process. Nothing of it is on a disk.

Another file is another function in `FILES`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..memory.blocks import read_blocks, rendered
from ..syscalls.errno import EISDIR, ENOENT, did_you_mean
from . import memory_view, messages
from .kernel import Kernel
from .process import Process


async def read(kernel: Kernel, path: str) -> str:
    """A file's text. Raises EIO, EISDIR, ENOENT, ESRCH."""
    match [part for part in path.split("/") if part]:
        case ["proc"]:
            pids = " ".join(str(process.pid) for process in kernel.table)
            raise EISDIR("/proc is a folder", hint=f"of the processes {pids}")
        case ["proc", pid] if pid.isdecimal():
            await _life(kernel, int(pid))
            raise EISDIR(f"/proc/{pid} is a folder", hint=f"there are {', '.join(FILES)} in it")
        case ["proc", pid, name] if pid.isdecimal():
            if name not in FILES:
                hint = did_you_mean(name, FILES) or f"there are {', '.join(FILES)}"
                raise ENOENT(f"there is no {name} in /proc/{pid}", hint=hint)
            return await FILES[name](kernel, int(pid))
    raise ENOENT(f"there is no {path}", hint="there is /proc/PID/status, for instance")


async def _status(kernel: Kernel, pid: int) -> str:
    """What there is to know of a process, a line each. Tokens in its window are of its pages."""
    process = kernel.table.get(pid) or await _life(kernel, pid)
    table = await memory_view.pages(kernel, pid)
    resident = [page for page in table.pages if page.left is None]
    usage, faults = process.accounting, process.space.faults
    rows = {
        "name": process.name,
        "pid": pid,
        "parent": process.parent,
        "group": process.group,
        "session": process.session,
        "program": process.program,
        "state": process.state.value,
        "waits for": process.waits_for,
        "nice": process.nice,
        "root": process.root,
        "pages": len(table.pages),
        "pages resident": len(resident),
        "pages pinned": sum(page.pinned for page in resident),
        "pages shared": sum(page.processes > 1 for page in table.pages),
        "tokens resident": sum(page.shown_tokens for page in resident),
        "tokens evicted": sum(page.num_tokens for page in table.pages if page.left is not None),
        "tokens in": usage.tokens_in,
        "tokens cached": usage.tokens_cached,
        "tokens out": usage.tokens_out,
        "syscalls": usage.syscalls,
        "flushes": len(table.flushes),
        "faults": faults.total,
        "thrashing": "yes" if faults.thrashing else "no",
    }
    return "".join(f"{name + ':':<17} {value}".rstrip() + "\n" for name, value in rows.items())


async def _pages(kernel: Kernel, pid: int) -> str:
    """The page table, a page a line, the fields between tabs."""
    table = await memory_view.pages(kernel, pid)
    return "".join(
        "\t".join(
            (
                str(page.vpn),
                page.role,
                str(page.num_tokens),
                "resident" if page.left is None else "evicted",
                _marks(page.pinned, page.unwanted, page.recalled, page.processes > 1),
                page.begins,
            )
        )
        + "\n"
        for page in table.pages
    )


def _marks(pinned: bool, unwanted: bool, recalled: bool, shared: bool) -> str:
    """As `ls -l` shows modes: a letter, or a dash."""
    marks = ((pinned, "p"), (unwanted, "u"), (recalled, "r"), (shared, "s"))
    return "".join(letter if set_ else "-" for set_, letter in marks)


async def _blocks(kernel: Kernel, pid: int) -> str:
    """As the prompt shows them after the next flush."""
    process = await _life(kernel, pid)
    found = await memory_view.look(kernel, lambda c: read_blocks(c, pid, process.image))
    text = rendered(found)
    return f"{text}\n" if text else ""


async def _life(kernel: Kernel, pid: int) -> Process:
    return await memory_view.look(kernel, lambda c: memory_view.life(c, pid))


FILES: dict[str, Callable[[Kernel, int], Awaitable[str]]] = {
    "status": _status,
    "pages": _pages,
    "blocks": _blocks,
}


async def listing(kernel: Kernel, path: str) -> list[messages.ProcEntry]:
    raise ENOENT(path)
