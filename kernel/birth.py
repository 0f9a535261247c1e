"""Birth: how processes come to be, and what may keep them from it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..memory.address_space import AddressSpace
from ..memory.swap import Statement, owner_of, share_pages, write_page
from ..syscalls.errno import EAGAIN, EINVAL, ESRCH
from . import records
from .bus import Born
from .core import checked_nice, label
from .form import system_text
from .limits import NO_LIMITS, Limits
from .mailbox import FROM_OUTSIDE, Message
from .pipe import Pipe
from .plumbing import Plumbing, ends_of
from .process import INIT_PID, Process

Along = Callable[[Process], tuple[Sequence[Statement], Callable[[], None]]]
"""For a new process, what its parent writes in the same transaction, and what that means for
memory."""


class Births(Plumbing):
    """Spawn, fork, and taking in what a checkpoint holds."""

    async def spawn(
        self,
        *,
        task: str | None,
        name: str | None,
        root: Path,
        parent: int = INIT_PID,
        program: str = "agent",
        interactive: bool = False,
        nice: int | None = None,
        tools: tuple[str, ...] | None = None,
        limits: Limits = NO_LIMITS,
        budget: int | None = None,
        new_group: bool = False,
        stdin: Pipe | None = None,
        stdout: Pipe | None = None,
        output_schema: str | None = None,
        group: int | None = None,
        sender: int = FROM_OUTSIDE,
        spawn_key: str | None = None,
        along: Along | None = None,
    ) -> Process:
        """A new process, in the journal when this returns. What is None is as the parent has it.

        Raises EAGAIN (a limit is reached), EINVAL, ENOSYS (no such tool; told when plugins are
        loaded), ESRCH (no such parent, nobody in that group).
        """
        if spawn_key is not None:
            again = await self.journal.read(lambda c: records.read_pid_of(c, spawn_key))
            if again is not None and again in self.table:
                return self.table.find(again)
        await self.check_tools(tools)
        above = self.living(parent)
        await self.check_program(program)
        self._check_room(above)
        if (
            task is not None and above.program != "supervisor"
        ):  # which goes on with what it was told
            self.backlog.check_room(self._unborn.total())
        if task is None and not interactive and program != "guest":
            raise EINVAL("a process that is not interactive needs a task")
        pid = self.table.new_pid()
        alone = new_group or parent == INIT_PID
        process = Process(
            pid=pid,
            parent=parent,
            program=program,
            name=label(name or task or program),
            root=root,
            interactive=interactive,
            created=self.clock(),
            spawn_key=spawn_key,
            space=AddressSpace(system_text(output_schema)),
            group=pid if alone else above.group,
            session=pid if parent == INIT_PID else above.session,
            nice=above.nice if nice is None else checked_nice(nice),
            tools=above.tools if tools is None else tools,
            limits=above.limits.attenuated(limits),
            budget=budget,
            stdin=stdin,
            stdout=stdout,
            output_schema=output_schema,
        )
        statements: list[Statement] = []
        if task is not None:
            message = Message(self.new_message_id(), task, sender)
            process.mailbox.put(message)
            statements.append(records.insert_message(pid, message))
        after = None
        if along is not None:
            more, after = along(process)
            statements += more
        if group is None:
            await self._give_birth(process, above, budget, statements, after)
            return process
        async with self._regrouping:  # the group must not come to span two sessions
            others = self.table.group(group)
            if parent != INIT_PID:
                raise EINVAL("a child is in the group of its parent", hint="leave the group out")
            if not others:
                raise ESRCH(f"there is nobody in group {group}", hint="llmos ps -l lists groups")
            process.group, process.session = group, others[0].session
            await self._give_birth(process, above, budget, statements, after)
        return process

    async def fork(
        self,
        process: Process,
        *,
        task: str | None = None,
        name: str | None = None,
        interactive: bool | None = None,
        call_id: str = "",
        budget: int | None = None,
        spawn_key: str | None = None,
    ) -> Process:
        """A child with the same pages, copy-on-write, which goes on by itself: with `task` as its
        next message, or where its parent stands. Calls that wait for their result are the
        parent's; in the child they are answered with EINTR, and the one named `call_id`, which
        asked for the fork, with the news that it is the child.

        Raises EAGAIN, ESRCH.
        """
        if spawn_key is not None:
            again = await self.journal.read(lambda c: records.read_pid_of(c, spawn_key))
            if again is not None and again in self.table:
                return self.table.find(again)
        self.living(process.pid)
        self._check_room(process)
        self.backlog.check_room(self._unborn.total())
        pid = self.table.new_pid()
        child = Process(
            pid=pid,
            parent=process.pid,
            program=process.program,
            name=label(name or task or process.name),
            root=process.root,
            interactive=process.interactive if interactive is None else interactive,
            created=self.clock(),
            spawn_key=spawn_key,
            space=process.space.fork(owner_of(process.pid, process.image)),
            group=process.group,
            session=process.session,
            nice=process.nice,
            tools=process.tools,
            limits=process.limits,
            budget=budget,
            output_schema=process.output_schema,
            stdout=process.stdout,  # and not its stdin: two readers would take turns at the lines
        )
        statements = share_pages(process.pid, process.image, pid, child.space)
        for call in child.space.unanswered_calls():
            text = (
                f"0 (this is the child, pid {pid})"
                if call.call_id == call_id
                else "EINTR: this process is a fork; the call belongs to its parent"
            )
            page = child.space.new_page(
                "tool", text, self.engine.count_tokens(text), call_id=call.call_id
            )
            child.space.append(page)
            statements += write_page(pid, 0, page, None)
        if task is not None:
            message = Message(self.new_message_id(), task)
            child.mailbox.put(message)
            statements.append(records.insert_message(pid, message))
        await self._give_birth(
            child, process, budget, statements, lambda: self.scheduler.forked(process, child)
        )
        return child

    async def _give_birth(
        self,
        process: Process,
        above: Process,
        asked: int | None,
        statements: list[Statement],
        after: Callable[[], None] | None = None,
    ) -> None:
        """Commit the new process; its budget comes out of that of the process above."""
        process.budget = share = self._share(above, asked)
        statements += self.connect(process)
        if above.budget is not None and share is not None:
            process.lender = above.pid
            above.budget -= share  # before the commit: nobody else may have it meanwhile
            statements.append(records.grant(above.pid, -share))
        self._unborn[above.pid] += 1
        await self.to_the_end(self._bear(process, above, statements, after))

    async def born_below(self, pid: int) -> None:
        """Returns when no child of the process is about to be born."""
        while pid in self._unborn:
            await self.journal.read(lambda connection: None)  # in its turn, behind the births

    async def _bear(
        self,
        process: Process,
        above: Process,
        statements: list[Statement],
        after: Callable[[], None] | None,
    ) -> None:
        born = functools.partial(self._born, process, above.pid, after)
        try:
            await self.journal.commit([*records.insert_process(process), *statements], born)
        except Exception:
            self._count_birth(above.pid)
            self.disconnect(process)
            if above.budget is not None and process.budget is not None:
                above.budget += process.budget
            raise

    def _count_birth(self, parent: int) -> None:
        self._unborn[parent] -= 1
        if not self._unborn[parent]:
            del self._unborn[parent]

    def _born(self, process: Process, parent: int, after: Callable[[], None] | None) -> None:
        self._count_birth(parent)
        self.table.add(process)
        self.bus.tell(Born(process.pid, parent, process.name))
        if after is not None:
            after()
        if process.program == "agent" and (process.space.last or len(process.mailbox)):
            self.backlog.expect(process)
        self.start(process)

    @staticmethod
    def _share(above: Process, asked: int | None) -> int | None:
        """The budget of a child: what it asks for, or half of what is there."""
        if asked is not None and asked < 1:
            raise EINVAL(f"a budget of {asked} tokens is none", hint="give it 1 or more")
        if above.budget is None:
            return asked
        left = int(above.tokens_left)
        share = left // 2 if asked is None else asked
        if share < 1 or share > left:
            raise EAGAIN(
                f"process {above.pid} has {max(left, 0)} tokens of its budget left,"
                f" {max(share, 1)} are needed",
                hint="ask for less, or let a child end: what it leaves comes back",
            )
        return share

    def _check_room(self, above: Process) -> None:
        if self.parking:
            raise EAGAIN("the kernel is halting", hint="boot it again")
        if above.leaving:  # what it has is being returned
            raise ESRCH(f"process {above.pid} is ending")
        if self.table.num_alive() + self._unborn.total() >= self.config.max_processes:
            raise EAGAIN(
                f"{self.config.max_processes} processes are alive, which is the limit",
                hint="wait for some to end",
            )
        in_session = self.config.max_session_processes
        if above.pid != INIT_PID and self.table.num_in_session(above.session) >= in_session:
            raise EAGAIN(
                f"{in_session} processes of session {above.session} are alive, which is the limit",
                hint="wait for some of them, or boot with a larger --max-session-processes",
            )
        depth = sum(1 for _ in self.table.ancestors(above.pid))
        deepest = min(self.config.max_depth, above.limits.of("depth").hard)
        if depth >= deepest:
            raise EAGAIN(
                f"process {above.pid} is {depth} levels below the first, which is the limit",
                hint="do the work instead of passing it on",
            )
        most = above.limits.of("children").hard
        children = self.table.num_children(above.pid) + self._unborn[above.pid]
        if above.pid != INIT_PID and children >= most:
            raise EAGAIN(
                f"process {above.pid} has {most:.0f} children, which is its limit",
                hint="wait for one of them",
            )

    def check_can_start(self, processes: Sequence[Process]) -> None:
        """Raises EAGAIN, EINVAL."""
        if self.table.num_alive() + len(processes) > self.config.max_processes:
            raise EAGAIN(
                f"{len(processes)} more processes would be over {self.config.max_processes},"
                " which is the limit",
                hint="wait for some to end",
            )
        self.backlog.check_room(self._unborn.total())
        for process in processes:
            self.known_program(process.program)

    def take_in(self, processes: Iterable[Process], pipes: Iterable[Pipe]) -> None:
        """Processes that another kernel, or this one in earlier days, has let go."""
        processes = tuple(processes)
        for process in processes:
            if process.alive:
                for end, pipe in ends_of(process):
                    pipe.open(end, process.pid)
        for pipe in pipes:
            self.pipes[pipe.id] = pipe
            self.drop_if_abandoned(pipe)
        for process in processes:
            self.table.add(process)
            self.bus.tell(Born(process.pid, process.parent, process.name))
            self._carried.add(process.accounting)
            if process.alive:
                self.start(process)
