"""The files in the folder of a process.

They tell of ended processes too, as far as the journal knows of them.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from ...memory.blocks import read_blocks, rendered
from ...memory.swap import read_space
from .. import memory_view
from ..chat import chat_of
from ..kernel import Kernel
from ..limits import RESOURCES
from ..pipe import End, Pipe
from ..process import Process
from ..why import why
from . import lines, one_line


@dataclass(frozen=True, slots=True)
class ProcessFile:
    """`read` gets the process, or what the journal says of it once it is reaped."""

    about: str
    read: Callable[[Kernel, Process], Awaitable[str]]


# ---- memory ----------------------------------------------------------------------------------


async def _status(kernel: Kernel, process: Process) -> str:
    """What there is to know of a process, a line each. Tokens in its window are of its pages."""
    table = await memory_view.pages(kernel, process.pid)
    resident = [page for page in table.pages if page.left is None]
    usage, faults = process.accounting, process.space.faults
    return lines(
        {
            "name": process.name,
            "pid": process.pid,
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
    )


async def _pages(kernel: Kernel, process: Process) -> str:
    """The page table, a page a line, the fields between tabs."""
    table = await memory_view.pages(kernel, process.pid)
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


async def _blocks(kernel: Kernel, process: Process) -> str:
    """As the prompt shows them after the next flush."""
    found = await memory_view.look(kernel, lambda c: read_blocks(c, process.pid, process.image))
    text = rendered(found)
    return f"{text}\n" if text else ""


async def _context(kernel: Kernel, process: Process) -> str:
    """The messages that its prompt is made of, as they stand at this moment, and what of an answer
    is there already. The chat template and the schemas of its syscalls come round them."""
    space = process.space
    if process.pid not in kernel.table:
        pid, image, text = process.pid, process.image, space.text
        space = await memory_view.look(kernel, lambda c: read_space(c, pid, image, text))
    told: list[str] = []
    for message in chat_of(space):
        told.append(f"── {message.role} ──")
        told += [message.text] if message.text else []
        told += [f"→ {call.name} {call.arguments}" for call in message.calls]
    if process.draft:
        told += ["── assistant, so far ──", process.draft.text]
    return "\n".join(told) + "\n"


# ---- what it may, and what it has used -------------------------------------------------------


async def _caps(kernel: Kernel, process: Process) -> str:
    """What is enforced, and what is only offered."""
    named = "the usual ones" if process.tools is None else ", ".join(process.tools) or "none"
    if process.interactive:
        reach = "every process but 1; nice down to -20"
    else:
        reach = f"those below it; nice from {process.nice} to 19"
    return lines(
        {
            "files": f"those in {process.root} and below it",
            "signals": reach,
            "/proc": "its own files, and those of processes below it",
            "syscalls": f"{named} (offered; a call of another one is not refused)",
            "may start": _may_start(kernel, process),
        }
    )


def _may_start(kernel: Kernel, process: Process) -> str:
    most = process.limits.of("children").hard
    depth = sum(1 for _ in kernel.table.ancestors(process.pid))
    deepest = min(kernel.config.max_depth, process.limits.of("depth").hard)
    if most == 0 or depth >= deepest:
        return "no process"
    children = "processes" if math.isinf(most) else f"{most:.0f} processes at a time"
    return f"{children}, {deepest - depth:.0f} levels deep"


async def _limits(kernel: Kernel, process: Process) -> str:
    """A resource a line: what it has used, the soft and the hard limit, between tabs."""
    used = process.accounting
    amounts = {
        "tokens": used.tokens,
        "syscalls": used.syscalls,
        "engine_s": round(used.engine_s, 3),
        "wall_s": round(kernel.clock() - process.created, 3),
        "pages": len(process.space),
        "children": kernel.table.num_children(process.pid),
        "depth": sum(1 for _ in kernel.table.ancestors(process.pid)),
        "pipes": (process.stdin is not None) + (process.stdout is not None),
    }
    rows: list[tuple[object, ...]] = [LIMITS_HEADER]
    for name in RESOURCES:
        limit = process.limits.of(name)
        rows.append((name, amounts[name], _bound(limit.soft), _bound(limit.hard)))
    rows.append(("budget", used.tokens, "-", "-" if process.budget is None else process.budget))
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


LIMITS_HEADER = ("resource", "used", "soft", "hard")


def _bound(amount: float) -> str:
    return "-" if math.isinf(amount) else f"{amount:g}"


async def _usage(kernel: Kernel, process: Process) -> str:
    used = process.accounting
    hits = f"{used.tokens_cached / used.tokens_in:.1%}" if used.tokens_in else "-"
    return lines(
        {
            "tokens in": used.tokens_in,
            "tokens cached": f"{used.tokens_cached} ({hits} of those in)",
            "tokens out": used.tokens_out,
            "tokens counted": f"{used.tokens} (in, but for those cached, and out)",
            "tokens left": "-" if math.isinf(process.tokens_left) else int(process.tokens_left),
            "engine": f"{used.engine_s:.3f} s",
            "syscalls": used.syscalls,
            "alive": f"{kernel.clock() - process.created:.3f} s" if process.alive else "no",
        }
    )


# ---- what it holds, and where it stands ------------------------------------------------------


async def _fd(kernel: Kernel, process: Process) -> str:
    """What it can be reached by, and reaches others by."""
    return "".join(f"{line}\n" for line in _held(kernel, process))


def _held(kernel: Kernel, process: Process) -> Iterator[str]:
    for end, pipe in ((End.READ, process.stdin), (End.WRITE, process.stdout)):
        if pipe is not None:
            yield f"{end.value}\tpipe {pipe.id}\t{_pipe(pipe)}"
    yield f"mailbox\t{len(process.mailbox)} messages wait"
    for message in process.mailbox:
        sender = f"process {message.sender}" if message.sender else "a client"
        yield f"message\t{message.kind} from {sender}\t{one_line(message.text)}"
    for timer in kernel.timers.of(process.pid):
        when = timer.cron or f"in {max(timer.due - kernel.clock(), 0):.0f} s"
        yield f"alarm\t{when}\t{one_line(timer.text)}"
    for page in kernel.shared.readable(process):
        owner = f"of process {page.owner}, version {page.version}"
        yield f"shared\t{page.name}\t{owner}, {len(page.text)} characters"


def _pipe(pipe: Pipe) -> str:
    state = "broken" if pipe.broken else "at its end" if pipe.eof else "open"
    return f"{pipe.num_bytes} of {pipe.capacity} bytes, {state}"


async def _tree(kernel: Kernel, process: Process) -> str:
    """It and all below it, children further in than their parents."""
    told: list[str] = []

    def tell(one: Process, depth: int) -> None:
        told.append(f"{'  ' * depth}{one.pid} {one.state.value} {one_line(one.name)}\n")
        for child in kernel.table.children(one.pid):
            tell(child, depth + 1)

    tell(process, 0)
    return "".join(told)


async def _syscalls(kernel: Kernel, process: Process) -> str:
    """Those that its model is told of, a line each: name, what it needs, what it does."""
    await kernel.syscalls_known()
    return "".join(
        f"{spec.name}\t{', '.join(spec.capabilities) or '-'}\t{one_line(spec.summary)}\n"
        for spec in kernel.offered(process)
    )


async def _why(kernel: Kernel, process: Process) -> str:
    return "".join(f"{sentence}\n" for sentence in (await why(kernel, process.pid)).sentences)


FILES: dict[str, ProcessFile] = {
    "status": ProcessFile("state, tree, tokens, pages", _status),
    "context": ProcessFile("what its model sees: the messages in its window", _context),
    "pages": ProcessFile("its page table", _pages),
    "blocks": ProcessFile("its blocks, as the prompt shows them", _blocks),
    "caps": ProcessFile("what it may do", _caps),
    "limits": ProcessFile("what it has used, and what it may use", _limits),
    "usage": ProcessFile("tokens, engine time, syscalls", _usage),
    "fd": ProcessFile("its pipes, mailbox, alarms and shared pages", _fd),
    "tree": ProcessFile("it and all below it", _tree),
    "syscalls": ProcessFile("the syscalls that it is offered", _syscalls),
    "why": ProcessFile("what it waits for", _why),
}
