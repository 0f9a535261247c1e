"""Control: what is done to processes that live. Messages, signals, exec, links, groups, nice."""

from __future__ import annotations

import asyncio
import logging

from ..memory.address_space import AddressSpace
from ..memory.draft import EMPTY
from ..memory.swap import delete_draft
from ..syscalls.errno import EAGAIN, EINVAL, EPERM, ESRCH
from . import records, shared
from .bus import Signalled
from .core import checked_nice, label
from .form import system_text
from .journal import JournalError
from .mailbox import FROM_OUTSIDE, Message
from .plumbing import Plumbing
from .process import INIT_PID, Process
from .shared import SharedPage
from .signals import Signal
from .timers import Timer

MAX_MAILBOX = 1000
ALARM_RETRY_S = 10.0

log = logging.getLogger(__name__)


class Control(Plumbing):
    """Everything that changes a process from outside."""

    async def exec(
        self, process: Process, *, task: str, program: str = "agent", name: str | None = None
    ) -> None:
        """Replace what runs in a process: another program, an empty address space, the task as
        its first message. Pid, tree, mailbox, limits and usage stay.

        Raises EINVAL, ESRCH, and EAGAIN while a call is under way that must not be cut off, or
        another exec.
        """
        await self.check_program(program)
        self.living(process.pid)
        running = self._at_work.get(process.pid)
        replaced = running is None and self.stepping  # before that nothing is at work
        if replaced or (running is not None and running.cannot_repeat):
            what = (
                "is being replaced" if running is None else "makes a call that must not be cut off"
            )
            raise EAGAIN(f"process {process.pid} {what}", hint="try again when it is over")
        self._at_work.pop(
            process.pid, None
        )  # until the next program is at work, nobody can exec again
        await self.to_the_end(self._replace(process, task, program, label(name or task)))

    async def _replace(self, process: Process, task: str, program: str, label: str) -> None:
        task_at_work = process.task
        if task_at_work is not None:
            task_at_work.cancel()
        try:
            await asyncio.gather(*filter(None, [task_at_work]), return_exceptions=True)
            # What it had committed takes place first; it may have been its end.
            await self.journal.read(lambda _: None)
            self.living(process.pid)
            await self._commit_image(process, task, program, label)
        finally:
            if process.alive and not self.parking:
                self.start(process)

    async def _commit_image(self, process: Process, task: str, program: str, label: str) -> None:
        image, message = process.image + 1, Message(self.new_message_id(), task)
        line, end_line = self.cut_short(process)
        text = system_text(process.output_schema)

        def replace() -> None:
            for call in process.space.unanswered_calls():
                self.interrupted_calls.discard((process.pid, call.call_id))
            process.image, process.program, process.name = image, program, label
            process.space, process.draft = AddressSpace(text), EMPTY
            process.mailbox.put(message)
            end_line()
            self.scheduler.begun_anew(process)

        await self.journal.commit(
            [
                records.update(process.pid, image=image, program=program, name=label, text=text),
                delete_draft(process.pid),
                *line,
                records.delete_intents(process.pid),
                records.insert_message(process.pid, message),
            ],
            replace,
        )

    async def send(
        self, pid: int, text: str, sender: int = FROM_OUTSIDE, kind: str = "message"
    ) -> None:
        """Put a message into a mailbox; in the journal when this returns. Raises ESRCH, EAGAIN."""
        process, message = self.letter(pid, text, sender, kind)
        await self.journal.commit(
            [records.insert_message(pid, message)], lambda: self._delivered(process, message)
        )

    def _delivered(self, process: Process, message: Message) -> None:
        process.mailbox.put(message)
        if process.program == "agent":
            self.backlog.expect(process)

    def letter(
        self, pid: int, text: str, sender: int = FROM_OUTSIDE, kind: str = "message"
    ) -> tuple[Process, Message]:
        """A message that the process can take. Raises ESRCH, EAGAIN."""
        process = self.table.find(pid)
        if not process.alive or pid == INIT_PID:
            raise ESRCH(f"process {pid} takes no messages")
        if len(process.mailbox) >= MAX_MAILBOX:
            raise EAGAIN(
                f"{MAX_MAILBOX} messages wait for process {pid}, which is the limit",
                hint="let it answer some",
            )
        return process, Message(self.new_message_id(), text, sender, kind, self.clock())

    async def ring(self, timer: Timer) -> None:
        """Send the message of a timer that is due. One for whom there is no room is tried again,
        or left out if it comes again anyway."""
        statements, take_place = self.timers.rung(timer)
        try:
            process, message = self.letter(timer.pid, timer.text, kind="alarm")

            def arrive() -> None:
                process.mailbox.put(message)
                take_place()

            await self.journal.commit(
                [records.insert_message(process.pid, message), *statements], arrive
            )
        except ESRCH:
            self.timers.ended(timer.pid)
        except EAGAIN:
            if timer.cron:
                take_place()
            else:
                self.timers.delay(timer, ALARM_RETRY_S)
        except JournalError as error:
            log.error("alarm %d waits for the journal: %s", timer.id, error)
            self.timers.delay(timer, ALARM_RETRY_S)

    async def signal(self, process: Process, signal: Signal, payload: str = "") -> None:
        """Deliver a signal; it is in the journal when this returns, and takes effect at the next
        token boundary. To a process that has ended it does nothing."""
        if not process.alive or process.pid == INIT_PID:
            return
        match signal:
            case Signal.USR1:
                await self.send(process.pid, payload, kind="USR1")
                return
            case Signal.CHLD:
                process.child_ended.set()
                return
            case Signal.STOP:
                changes = [records.update(process.pid, stopped=1)]
            case Signal.CONT:
                changes = [records.update(process.pid, stopped=0)]
            case Signal.INT:
                changes = [records.raise_signal(process.pid, signal)]
            case _:  # it ends the process: one that was stopped must be able to
                changes = [
                    records.raise_signal(process.pid, signal),
                    records.update(process.pid, stopped=0),
                ]

        def deliver() -> None:
            if process.alive:
                if signal in (Signal.TERM, Signal.KILL, Signal.XCPU, Signal.PIPE):
                    process.stopped = False
                process.deliver(signal)
                self.bus.tell(Signalled(process.pid, signal.name))

        await self.journal.commit(changes, deliver)

    async def link(self, one: Process, other: Process) -> None:
        """Let two processes share their fate. Raises EINVAL, EPERM, ESRCH."""
        self.check_link(one, other)
        await self.journal.commit(*self.links.join(one, other))

    async def unlink(self, one: Process, other: Process) -> None:
        await self.journal.commit(*self.links.part(one, other))

    def check_link(self, one: Process, other: Process) -> None:
        """Raises EINVAL, EPERM, ESRCH."""
        if one is other:
            raise EINVAL(f"process {one.pid} cannot be linked to itself")
        for process in (one, other):
            self.living(process.pid)
            if process.pid == INIT_PID:
                raise EPERM("process 1 ends with the kernel")

    async def write_shared(
        self,
        process: Process,
        name: str,
        text: str,
        *,
        version: int | None = None,
        readers: str | None = None,
        writers: str | None = None,
    ) -> int:
        """Write a shared page; its new version. Raises EAGAIN, EFBIG, EINVAL, EPERM."""
        written: list[SharedPage] = []

        async def write() -> None:
            async with self.shared.writing:  # what is compared must be what is set
                page = self.shared.written(process, name, text, version, readers, writers)
                await self.journal.commit([shared.write(page)], lambda: self.shared.put(page))
                written.append(page)

        await self.to_the_end(write())
        return written[0].version

    async def set_nice(self, process: Process, nice: int) -> None:
        """Raises EINVAL."""
        checked_nice(nice)

        def change() -> None:
            process.nice = nice

        await self.journal.commit([records.update(process.pid, nice=nice)], change)

    async def set_group(self, process: Process, group: int) -> None:
        """Move a process to the group of another one of its session, or to one of its own.
        Raises ESRCH."""

        async def move() -> None:
            async with self._regrouping:  # a group must not come to span two sessions
                self.living(process.pid)
                others = self.table.group(group)
                if group != process.pid and all(one.session != process.session for one in others):
                    raise ESRCH(
                        f"there is no group {group} in the session of process {process.pid}",
                        hint="llmos ps -l lists groups and sessions",
                    )
                await self.journal.commit(
                    [records.update(process.pid, pgid=group)],
                    lambda: self._regroup(process, group),
                )

        await self.to_the_end(move())

    async def set_session(self, process: Process) -> None:
        """Let a process begin a session of its own, and a group in it. As POSIX has it, EPERM if it
        leads one, or there is a group of its pid, whose members would be in another session than
        it. Raises EAGAIN and ESRCH, too."""
        pid = process.pid

        async def leave() -> None:
            async with self._regrouping:
                self.living(pid)
                if process.session == pid:
                    raise EPERM(f"process {pid} leads its session already")
                if self.table.group(pid):
                    raise EPERM(
                        f"there is a process group {pid}, which would span two sessions",
                        hint="move its members to another group first",
                    )
                if pid in self._unborn:  # a child may be on its way into such a group
                    raise EAGAIN(f"process {pid} is having a child", hint="try again")

                def change() -> None:
                    if pid in self.table:
                        self.table.begin_session(process)
                    self._regroup(process, pid)

                await self.journal.commit([records.update(pid, pgid=pid, sid=pid)], change)

        await self.to_the_end(leave())

    def _regroup(self, process: Process, group: int) -> None:
        if process.pid in self.table:  # else it was reaped meanwhile
            self.table.regroup(process, group)
