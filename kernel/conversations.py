"""Conversations that go on: one that has ended is brought back as a new process with its pages.

The pages are shared copy-on-write, as by a fork. What its end cut off is closed, so that the agent
waits for what the user says next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from dataclasses import dataclass

from ..memory.address_space import AddressSpace
from ..memory.page import Role
from ..memory.swap import Statement, owner_of, share_pages, write_page
from ..syscalls.errno import EAGAIN, ESRCH
from . import conversation_records
from .birth import Births
from .conversation_records import Stored
from .core import checked_nice, label
from .ending import Endings
from .journal import JournalError
from .limits import NO_LIMITS, Limits
from .mailbox import Message
from .process import INIT_PID, Process
from .records import insert_message, read_process
from .recovery import load_pages

log = logging.getLogger(__name__)

CUT_OFF = "(the process ended here)"
ENDED_MEANWHILE = "EINTR: the process ended; it may or may not have happened"
KEEP_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Means:
    """What a process that goes on gets. None: as the one before had it; no budget is none."""

    name: str | None = None
    nice: int | None = None
    tools: tuple[str, ...] | None = None
    limits: Limits = NO_LIMITS
    budget: int | None = None


AS_BEFORE = Means()


class Conversations(Births, Endings):
    """Resume, remove."""

    async def resume(
        self,
        conversation: Stored,
        *,
        task: str | None = None,
        interactive: bool = True,
        means: Means = AS_BEFORE,
    ) -> Process:
        """A new process that goes on with a conversation whose processes have all ended. The caller
        holds `resuming` since before it looked. Raises EAGAIN, EINVAL, ENOSYS, ESRCH."""
        await self.check_tools(means.tools)
        old = await self.journal.read(lambda connection: _as_it_ended(connection, conversation.pid))
        init = self.table.find(INIT_PID)
        self._check_room(init)
        if task is not None:
            self.backlog.check_room(self._unborn.total())
        pid = self.table.new_pid()
        process = Process(
            pid=pid,
            parent=INIT_PID,
            program=old.program,
            name=old.name if means.name is None else label(means.name),
            root=old.root,
            interactive=interactive,
            created=self.clock(),
            spawn_key=None,
            space=old.space.fork(owner_of(old.pid, old.image)),
            group=pid,
            session=pid,
            nice=old.nice if means.nice is None else checked_nice(means.nice),
            tools=old.tools if means.tools is None else means.tools,
            limits=old.limits.attenuated(means.limits),
            aliases=old.aliases,
        )
        statements = share_pages(old.pid, old.image, pid, process.space)
        statements += self._closing(pid, process.space)
        statements.append(conversation_records.goes_on(pid, conversation.id))
        if task is not None:
            message = Message(self.new_message_id(), task)
            process.mailbox.put(message)
            statements.append(insert_message(pid, message))
        await self._give_birth(process, init, means.budget, statements)
        return process

    def _closing(self, pid: int, space: AddressSpace) -> list[Statement]:
        """Pages that close a turn which the end cut off; they are in the space when this returns,
        as nobody but the new process has it."""
        statements: list[Statement] = []

        def add(role: Role, text: str, *, call_id: str = "", interrupted: bool = False) -> None:
            page = space.new_page(
                role,
                text,
                self.engine.count_tokens(text),
                call_id=call_id,
                interrupted=interrupted,
            )
            space.append(page)
            statements.extend(write_page(pid, 0, page, None))

        for call in space.unanswered_calls():
            add("tool", ENDED_MEANWHILE, call_id=call.call_id)
        if space.last is not None and space.last.role != "assistant":
            add("assistant", CUT_OFF, interrupted=True)
        return statements

    async def remove(self, conversation: Stored) -> list[int]:
        """All of its processes, and those that their agents began: whose pages are gone. The caller
        holds `resuming` since before it looked. Raises EAGAIN."""
        pids = list(conversation.pids)
        pids += await self.journal.read(
            lambda connection: conversation_records.helpers_of(connection, conversation.pids)
        )
        processes = [process for pid in pids if (process := self.table.get(pid)) is not None]
        for process in processes:
            if process.alive:
                raise EAGAIN(
                    f"process {process.pid} of this conversation lives",
                    hint=f"llmos kill {process.pid} ends it",
                )
            if process.parent != INIT_PID:
                raise EAGAIN(f"process {process.parent} has not seen yet that {process.pid} ended")
        for process in processes:
            await self.reap(process)
        await self.journal.write(lambda connection: conversation_records.remove(connection, pids))
        return pids

    async def keep_conversations(self) -> None:
        """For as long as the kernel runs: remove those that are over and too many."""
        while True:
            try:
                await self.keep_the_newest(self.config.keep_conversations)
            except JournalError as error:
                log.warning("old conversations stay: %s", error)
            await asyncio.sleep(KEEP_EVERY_S)

    async def keep_the_newest(self, most: int) -> None:
        """So many that were interactive, so many others; 0 is no bound. Whose end nobody has seen
        yet stays."""
        async with self.resuming:
            stored = await self.journal.read(conversation_records.read_conversations)
            ended = [one for one in stored if not any(pid in self.table for pid in one.pids)]
            for interactive in (True, False) if most else ():
                alike = [one for one in ended if one.interactive is interactive]
                for conversation in alike[: max(len(alike) - most, 0)]:
                    with contextlib.suppress(EAGAIN):
                        await self.remove(conversation)


def _as_it_ended(connection: sqlite3.Connection, pid: int) -> Process:
    """With its pages. Raises ESRCH, SwapDamaged."""
    process = read_process(connection, pid)
    if process is None:
        raise ESRCH(f"process {pid} has been removed")
    load_pages(connection, process)
    return process
