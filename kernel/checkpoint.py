"""Checkpoint and restore: a process, or a tree of them, in one file, and back to life from it.

What is taken is what memory and journal agree on between two steps of the loop, so a process need
not be stopped for it; a copy of it goes on living. Of pipes, the ends of its members are taken: who
else held one is not there any more. `checkpoint_file.py` writes and reads the file.

Restored processes get new pids. What they themselves know of pids (in their pages, in calls that
are under way) is old, so each carries `aliases` from the old ones to the new: its own pid
namespace. A call that was under way is made again if it may be, and else answered with EINTR.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..memory import swap
from ..memory.address_space import AddressSpace, Entry, Origin
from ..memory.blocks import Block, write_block
from ..memory.draft import Draft
from ..memory.page import Call, Page
from ..memory.swap import write_draft
from ..syscalls.errno import EINVAL
from . import limits, pipe_records, records
from .checkpoint_file import Record
from .kernel import Kernel
from .mailbox import Message
from .messages import ExitInfo
from .pipe import Chunk, Pipe
from .plumbing import ends_of
from .process import INIT_PID, Accounting, Process

# ---- taking one ---------------------------------------------------------------------------


async def take(kernel: Kernel, process: Process, *, tree: bool) -> Record:
    """What there is of a process, and of all below it with `tree`, at one moment: pages that come
    later, while those of that moment are read from swap, are not in it. Raises EINVAL for a
    supervisor without its children, which it would miss."""
    if process.program == "supervisor" and not tree:
        raise EINVAL(f"process {process.pid} is a supervisor", hint="take it with its tree")
    members = [process]
    if tree:
        members += kernel.table.descendants(process.pid)
    record = _moment(kernel, members)
    lives = [(member.pid, member.image, len(member.space)) for member in members]
    spaces = await kernel.journal.read(lambda connection: _stored(connection, lives))
    places: dict[int, int] = {}  # of a frame in the file
    pages: list[Record] = []
    for space, taken in zip(record["processes"], spaces, strict=True):
        table = []
        for frame, stored in taken["table"]:
            if frame not in places:
                places[frame] = len(pages)
                pages.append(asdict(stored.page) | {"checksum": stored.page.checksum()})
            marks = [stored.limit_tokens, stored.pinned, stored.unwanted, stored.evicted]
            table.append([places[frame], *marks])
        space |= {"table": table, "head": taken["head"]}
    return record | {"pages": pages}


def _stored(
    connection: sqlite3.Connection, lives: Sequence[tuple[int, int, int]]
) -> list[dict[str, Any]]:
    """What swap has of address spaces, each a (pid, image, number of pages)."""
    return [
        {
            "table": swap.read_table(connection, pid, image, num_pages),
            "head": swap.read_space(connection, pid, image, "").head,
        }
        for pid, image, num_pages in lives
    ]


def _moment(kernel: Kernel, members: Sequence[Process]) -> dict[str, Any]:
    """All that memory knows. No await: one moment."""
    pipes = {pipe.id: pipe for member in members for _, pipe in ends_of(member)}
    return {
        "created": kernel.clock(),
        "model": kernel.config.vocabulary,
        "processes": [_recorded(kernel, member) for member in members],
        "pipes": [_piped(pipe) for pipe in pipes.values()],
        "links": [
            [member.pid, partner]
            for member in members
            for partner in kernel.links.of(member.pid)
            if member.pid < partner and partner in {one.pid for one in members}
        ],
    }


def _recorded(kernel: Kernel, process: Process) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "parent": process.parent,
        "group": process.group,
        "session": process.session,
        "program": process.program,
        "name": process.name,
        "root": str(process.root),
        "interactive": process.interactive,
        "text": process.space.text,
        "blocks": [asdict(block) for block in process.space.blocks.values()],
        "nice": process.nice,
        "tools": process.tools,
        "output_schema": process.output_schema,
        "limits": process.limits.given,
        "budget": process.budget,
        "lender": process.lender,
        "age_s": kernel.clock() - process.created,
        "stopped": process.stopped,
        "ending": process.ending,
        "usage": asdict(process.accounting),
        "exit": asdict(process.exit) if process.exit else None,
        "aliases": {str(old): new for old, new in (process.aliases or {}).items()},
        "mailbox": [asdict(message) for message in process.mailbox],
        "draft": asdict(process.draft),
        "collected": process.collected,
        "written": process.written,
        "stdin": process.stdin.id if process.stdin else None,
        "stdout": process.stdout.id if process.stdout else None,
    }


def _piped(pipe: Pipe) -> Record:
    return {
        "id": pipe.id,
        "capacity": pipe.capacity,
        "cut": pipe.cut,
        "text": [one.text for one in pipe.chunks],
    }


# ---- bringing it back ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Revived:
    """The processes, parents before children, and their new pids by the old ones. `frames` has the
    pages by their place in the file, each with the owner that it has now."""

    processes: list[Process]
    pids: dict[int, int]
    pipes: list[Pipe]
    frames: dict[int, tuple[str, Page]]


async def restore(
    kernel: Kernel, content: Record, *, root: Path | None = None, parent: int = INIT_PID
) -> Revived:
    """The processes live, and are in the journal, when this returns. Raises EAGAIN, EINVAL."""
    try:
        revived = _revive(kernel, content, root, parent)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise EINVAL(f"the checkpoint lacks something: {type(error).__name__}: {error}") from None
    kernel.check_can_start(revived.processes)
    by_old_pid = dict(zip(revived.pids, revived.processes, strict=True))
    links = [kernel.links.join(by_old_pid[a], by_old_pid[b]) for a, b in content["links"]]
    unfinished = {
        process.pid: [
            call
            for call in process.space.unanswered_calls()
            if kernel.effect_of(call.name) == "once"
        ]
        for process in revived.processes
    }

    def write(connection: sqlite3.Connection) -> None:
        for pipe in revived.pipes:
            connection.execute(*pipe_records.insert_pipe(pipe, fed=pipe.cut))
            for chunk in pipe.chunks:
                connection.execute(*pipe_records.insert_chunk(pipe, chunk))
        frames = {
            place: swap.insert_frame(connection, owner, page)
            for place, (owner, page) in revived.frames.items()
        }
        for process, record in zip(revived.processes, content["processes"], strict=True):
            for sql, parameters in _statements(process, unfinished[process.pid]):
                connection.execute(sql, parameters)
            for vpn, row in enumerate(record["table"]):
                place, *marks = row
                swap.insert_entry(connection, process.pid, vpn, frames[place], *marks)
            connection.execute(*swap.write_space(process.pid, 0, process.space))
            for block in process.space.blocks.values():
                connection.execute(*write_block(process.pid, 0, block))
        for process, record in zip(revived.processes, content["processes"], strict=True):
            for vpn, (_, _, _, unwanted, _) in enumerate(record["table"]):
                if unwanted:
                    connection.execute(*swap.note_forgotten(process.pid, 0, vpn))
        for statements, _ in links:
            for sql, parameters in statements:
                connection.execute(sql, parameters)

    def take_in() -> None:
        for pid, calls in unfinished.items():
            kernel.interrupted_calls |= {(pid, call.call_id) for call in calls}
        kernel.take_in(revived.processes, revived.pipes)
        for _, link in links:
            link()

    await kernel.journal.write(write, take_in)
    return revived


def _revive(kernel: Kernel, content: Record, root: Path | None, parent: int) -> Revived:
    pages = [_checked(record) for record in content["pages"]]
    known = [record["pid"] for record in content["processes"]]
    kernel.table.skip_pids(max(known))  # no new pid may be an old one of somebody else
    pids = {pid: kernel.table.new_pid() for pid in known}
    same_model = content["model"] == kernel.config.vocabulary
    pipes = {record["id"]: _pipe(kernel, record) for record in content["pipes"]}
    processes: list[Process] = []
    frames: dict[int, tuple[str, Page]] = {}
    for record in content["processes"]:
        process = _process(kernel, record, pids, root, parent)
        owner = swap.owner_of(process.pid, 0)
        for place, *_ in record["table"]:
            frames.setdefault(place, (owner, pages[place]))
        process.space = _space(record, owner, frames)
        for message in record["mailbox"]:
            sender = pids.get(message["sender"], message["sender"])
            process.mailbox.put(
                Message(**(message | {"id": kernel.new_message_id(), "sender": sender}))
            )
        if same_model:
            process.draft = Draft(tuple(record["draft"]["token_ids"]), record["draft"]["text"])
            process.written = record["written"]
        process.collected = record["collected"]
        process.stdin, process.stdout = pipes.get(record["stdin"]), pipes.get(record["stdout"])
        processes.append(process)
    if not processes:
        raise ValueError("no process in it")
    return Revived(processes, pids, list(pipes.values()), frames)


def _space(record: Record, owner: str, frames: Mapping[int, tuple[str, Page]]) -> AddressSpace:
    """Of the process that is now `owner`. Pages that it has in common with one that was restored
    before it are that one's."""
    entries: list[Entry] = []
    origins: dict[str, Origin] = {}
    steps = 0
    for vpn, (place, limit_tokens, pinned, unwanted, evicted) in enumerate(record["table"]):
        whose, page = frames[place]
        if whose != owner:
            origins[whose] = Origin(whose, vpn + 1)
        if evicted is None:
            entries.append(Entry(page, limit_tokens, bool(pinned), bool(unwanted)))
        steps = 0 if page.role == "user" else steps + (page.role == "assistant")
    return AddressSpace.resumed(
        record["text"],
        entries,
        len(record["table"]),
        steps=steps,
        head=record["head"],
        blocks=[Block(**block) for block in record["blocks"]],
        origins=sorted(origins.values(), key=lambda origin: -origin.before),
    )


def _pipe(kernel: Kernel, record: Record) -> Pipe:
    pipe = kernel.new_pipe(record["capacity"])
    pipe.cut = record["cut"]
    for seq, text in enumerate(record["text"]):
        pipe.put(Chunk(seq, text))
    return pipe


def _process(
    kernel: Kernel, record: Record, pids: Mapping[int, int], root: Path | None, parent: int
) -> Process:
    pid, usage = pids[record["pid"]], Accounting(**record["usage"])
    return Process(
        pid=pid,
        parent=pids.get(record["parent"], parent),
        group=pids.get(record["group"], pids[min(pids)]),
        session=pids.get(record["session"], pids[min(pids)]),
        program=record["program"],
        name=record["name"],
        root=root or Path(record["root"]),
        interactive=record["interactive"],
        created=kernel.clock() - record["age_s"],
        spawn_key=None,
        space=AddressSpace(record["text"]),
        nice=record["nice"],
        tools=None if record["tools"] is None else tuple(record["tools"]),
        output_schema=record.get("output_schema"),
        limits=limits.parse(record["limits"]),
        budget=record["budget"],
        lender=pids.get(record.get("lender", 0)),
        stopped=record["stopped"],
        ending=record["ending"],
        ending_since=kernel.clock(),
        accounting=usage,
        aliases=_aliases(record, pids),
        exit=ExitInfo(pid, record["exit"]["status"], record["exit"]["output"], usage.usage())
        if record["exit"]
        else None,
    )


def _aliases(record: Record, pids: Mapping[int, int]) -> dict[int, int]:
    """Of a process that was restored before, what it knew then leads on to what is now."""
    older = {int(old): pids.get(new, new) for old, new in record["aliases"].items()}
    return older | dict(pids)


def _page(record: Record) -> Page:
    fields = {field.name for field in dataclasses.fields(Page)}
    kept = {name: value for name, value in record.items() if name in fields}
    return Page(**(kept | {"calls": tuple(Call(**call) for call in record["calls"])}))


def _checked(record: Record) -> Page:
    page = _page(record)
    if page.checksum() != record["checksum"]:
        raise ValueError(f"page {page.vpn} does not match its checksum")
    return page


def _statements(
    process: Process, unfinished: Iterable[Call]
) -> Iterable[tuple[str, tuple[object, ...]]]:
    yield from records.insert_process(process)
    for end, pipe in ends_of(process):
        yield pipe_records.insert_end(process.pid, end, pipe)
    if process.collected:
        yield pipe_records.collect(process.pid, process.collected)
    yield records.update_progress(process)
    yield records.update(process.pid, stopped=process.stopped)
    if process.exit is not None:
        yield records.update_exit(process.pid, process.exit)
    for message in process.mailbox:
        yield records.insert_message(process.pid, message)
    if process.draft:
        yield write_draft(process.pid, process.draft)
    for call in unfinished:
        yield records.insert_intent(process.pid, call.call_id, call.name)
