"""Recovery: the process table out of the journal, after a shutdown or a crash alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from ..memory import swap
from ..memory.draft import EMPTY
from . import pipe_records, records
from .pipe import End, Pipe
from .process import Process


@dataclass(frozen=True, slots=True)
class Recovered:
    """Everything that a new kernel takes over."""

    processes: list[Process]
    last_pid: int
    last_message_id: int
    interrupted_calls: set[tuple[int, str]]
    pipes: list[Pipe]
    last_pipe_id: int


def recover(connection: sqlite3.Connection) -> Recovered:
    """Read it all in one transaction of the journal's thread. Raises SwapDamaged."""
    processes = {process.pid: process for process in records.read_processes(connection)}
    for process in processes.values():
        load_pages(connection, process)
    for pid, draft in swap.read_drafts(connection).items():
        if pid in processes:
            # Without its tokens it only says how far the reader of the stdout is.
            processes[pid].draft = draft or EMPTY
            processes[pid].written = len(draft.text)
    last_message_id = 0
    for pid, message in records.read_messages(connection):
        last_message_id = max(last_message_id, message.id)
        if pid in processes:
            processes[pid].mailbox.put(message)
    return Recovered(
        processes=list(processes.values()),
        last_pid=records.read_last_pid(connection),
        last_message_id=last_message_id,
        interrupted_calls=records.read_intents(connection),
        pipes=_connected(connection, processes),
        last_pipe_id=pipe_records.read_last_id(connection),
    )


def _connected(connection: sqlite3.Connection, processes: Mapping[int, Process]) -> list[Pipe]:
    """The pipes, with the ends that processes hold. The clients of earlier days are gone."""
    pipes = {pipe.id: pipe for pipe in pipe_records.read_pipes(connection)}
    for pid, end, pipe_id in pipe_records.read_ends(connection):
        process, pipe = processes.get(pid), pipes[pipe_id]
        if process is None:
            continue
        pipe.open(end, pid)
        if end is End.READ:
            process.stdin = pipe
        else:
            process.stdout = pipe
    for pid, text in pipe_records.read_collected(connection).items():
        if pid in processes:
            processes[pid].collected = text
    return list(pipes.values())


def load_pages(connection: sqlite3.Connection, process: Process) -> None:
    """Fill the address space from swap. Raises SwapDamaged."""
    process.space = swap.read_space(connection, process.pid, process.image, process.space.text)
