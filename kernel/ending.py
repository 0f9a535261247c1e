"""Ending: how processes become zombies, are reaped, and what becomes of what they leave."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ..memory.draft import EMPTY
from ..memory.swap import Statement, delete_draft
from . import messages, pipe_records, records
from .budget import Returned, give_back
from .journal import JournalError
from .messages import ExitInfo
from .plumbing import Plumbing
from .process import INIT_PID, Process, State, Waiting


class Endings(Plumbing):
    """Exit, reap, wait."""

    async def end(
        self, process: Process, status: int, output: str, statements: Iterable[Statement] = ()
    ) -> None:
        """The process becomes a zombie; its children go to the guest that it is below, so that they
        end with that, or to pid 1, and dead ones are reaped. What is left of its budget returns to
        whoever it came from."""
        process.leaving = True
        await self.to_the_end(self._end(process, status, output, statements))

    async def _end(
        self, process: Process, status: int, output: str, statements: Iterable[Statement]
    ) -> None:
        output = self.links.explained(process.pid, status, output)
        ended = ExitInfo(process.pid, status, output, process.accounting.usage())
        orphans, heir = self.table.children(process.pid), self._heir(process)
        statements = [
            records.update_progress(process),
            records.update_exit(process.pid, ended),
            delete_draft(process.pid),
            *self.links.end(process.pid, status),
            records.delete_intents(process.pid),
            *self.timers.end(process.pid),
            *(pipe_records.delete_ends(process.pid) if process.has_pipes else ()),
            *(records.adopt(orphan.pid, heir) for orphan in orphans),
            *statements,
        ]
        returned: list[Returned] = []

        def write(connection: sqlite3.Connection) -> None:
            for sql, parameters in statements:
                connection.execute(sql, parameters)
            if process.budget is not None and (back := give_back(connection, process.pid)):
                returned.append(back)

        try:
            await self.journal.write(
                write, lambda: self._ended(process, ended, heir, orphans, returned)
            )
        except JournalError:
            process.leaving = False
            raise
        for child in (*orphans, process):
            if child.adopted and not child.alive:
                self.errand(self.reap(child))

    def _ended(
        self,
        process: Process,
        ended: ExitInfo,
        heir: int,
        orphans: list[Process],
        returned: list[Returned],
    ) -> None:
        for back in returned:
            self._move_budget(process, back)
        process.exit, process.state, process.waiting = ended, State.ZOMBIE, Waiting()
        process.pending, process.stopped, process.draft = None, False, EMPTY
        self.table.note_death(process)
        if process.alarm is not None:
            process.alarm.cancel()
        self.disconnect(process)
        self.scheduler.forget(process)
        self.backlog.forget(process)
        process.exited.set()
        self._at_work.pop(process.pid, None)
        meant, heir = heir, self._heir(process)  # who may have ended meanwhile
        for orphan in self.table.children(process.pid):
            self.table.reparent(orphan, heir)
            if orphan not in orphans or heir != meant:  # born while the end was being committed
                self.errand(self.journal.commit([records.adopt(orphan.pid, heir)]))
        self.links.ended(process.pid, ended.status)
        self.timers.ended(process.pid)
        self.bus.publish(messages.Exit(process.pid, ended.status, ended.output))
        above = self.table.get(process.parent)
        if above is not None:
            above.child_ended.set()

    def _heir(self, process: Process) -> int:
        """Who adopts its children: the nearest guest above it that lives, or pid 1."""
        for pid in self.table.ancestors(process.pid):
            above = self.table.find(pid)
            if above.program == "guest" and above.alive and not above.leaving:
                return pid
        return INIT_PID

    def _move_budget(self, process: Process, back: Returned) -> None:
        heir = self.table.find(back.to)
        assert heir.budget is not None and process.budget is not None
        heir.budget += back.tokens
        process.budget -= back.tokens

    async def reap(self, process: Process) -> None:
        """Take a zombie out of the table; its pages stay in swap."""
        if process.pid in self.table and not process.alive:
            await self.journal.commit(self.reaping(process), lambda: self.reaped(process))

    def reaping(self, process: Process) -> list[Statement]:
        """Of a zombie: statements that are part of some commit, and `reaped` is of what follows."""
        return [records.reap(process.pid), records.delete_messages(process.pid)]

    def reaped(self, process: Process) -> None:
        if process.pid in self.table:  # two may have waited for it
            self.table.remove(process.pid)
            self._reaped.add(process.accounting)

    async def wait_any(self, parent: Process, pids: frozenset[int] | None = None) -> Process:
        """The first child that has ended, or will, of `pids` or of all. It is not reaped yet."""
        while True:
            parent.child_ended.clear()
            for child in self.table.zombies(parent.pid):
                if pids is None or child.pid in pids:
                    return child
            await parent.child_ended.wait()
