"""What the kernel does for built-in syscalls, on behalf of the process that calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ..memory.notes import find_notes, write_note
from ..memory.swap import Statement
from ..syscalls.context import ExitRecord, MessageRecord, ProcessRecord
from ..syscalls.errno import ECHILD, EINVAL, EPERM, ESRCH, ETIME
from . import deadlock
from .kernel import Kernel
from .mailbox import FROM_OUTSIDE, Mailbox, Message, Wanted
from .messages import ExitInfo
from .pipe import End, first_of
from .process import INIT_PID, Process, Waiting
from .records import delete_message, insert_message, read_process
from .signals import Signal


@dataclass(slots=True)
class Effects:
    """What a syscall does to the kernel's own state: statements for the journal, and the same in
    memory. Both happen together with the call's result."""

    statements: list[Statement] = field(default_factory=list)
    actions: list[Callable[[], None]] = field(default_factory=list)

    def take_place(self) -> None:
        for action in self.actions:
            action()


class Services:
    """`KernelServices` for one call of one process."""

    def __init__(self, kernel: Kernel, caller: Process, call_id: str) -> None:
        self.effects = Effects()
        self._kernel = kernel
        self._caller = caller
        self._call_id = call_id
        # Unique over all processes, and the same when the kernel makes the call again after a
        # crash: what was done under this key is not done twice.
        self._key = caller.call_key(call_id)

    # ---- processes ------------------------------------------------------------------------

    async def spawn(self, task: str) -> int:
        process = await self._kernel.spawn(
            task=task,
            name=task,
            root=self._caller.root,
            parent=self._caller.pid,
            spawn_key=self._key,
        )
        return process.pid

    async def fork(self, task: str | None = None) -> int:
        child = await self._kernel.fork(
            self._caller,
            task=task,
            interactive=False,
            call_id=self._call_id,
            spawn_key=self._key,
        )
        return child.pid

    async def exec(self, task: str) -> None:
        """Does not return: what called is gone."""
        self._kernel.errand(self._kernel.exec(self._caller, task=task))
        await asyncio.get_running_loop().create_future()

    async def wait(self, pid: int) -> ExitRecord:
        caller, kernel, pid = self._caller, self._kernel, self._caller.meant(pid)
        if pid == caller.pid:
            raise EINVAL(f"process {pid} cannot wait for itself")
        if pid not in kernel.table:
            return await self._reaped_child(pid)
        process = kernel.table.find(pid)
        if process.alive:
            self._block(f"process {pid}", {pid})
            await process.exited.wait()
        return await self._report(process)

    async def wait_any(self, pids: Sequence[int] = ()) -> ExitRecord:
        """The first of some children, or of all, that has ended."""
        caller, kernel = self._caller, self._kernel
        pids = [self._caller.meant(pid) for pid in pids]
        children = {child.pid for child in kernel.table.children(caller.pid)}
        for pid in pids:
            if pid not in children:
                raise ECHILD(f"process {pid} is no child of process {caller.pid}")
        if not children:
            raise ECHILD(f"process {caller.pid} has no children")
        wanted = frozenset(pids) or frozenset(children)
        if all(kernel.table.find(pid).alive for pid in wanted):
            self._block("a child", wanted)
        return await self._report(await kernel.wait_any(caller, wanted))

    async def _report(self, process: Process) -> ExitRecord:
        ended = process.exit
        assert ended is not None
        self._reap(process)
        return _record(ended)

    def _reap(self, process: Process) -> None:
        """Reaped when the result of the call is committed: an end that was reported, and then
        forgotten in a crash, is reported again."""
        if process.parent == self._caller.pid:
            self.effects.statements += self._kernel.reaping(process)
            self.effects.actions.append(lambda: self._kernel.reaped(process))

    async def _reaped_child(self, pid: int) -> ExitRecord:
        """A child whose end was reported before: the report again. Raises ESRCH, ECHILD."""
        record = await self._kernel.journal.read(lambda c: read_process(c, pid))
        if record is None:
            self._kernel.table.find(pid)
        assert record is not None
        if record.parent != self._caller.pid or record.exit is None:
            raise ECHILD(f"process {pid} is no child of process {self._caller.pid}")
        return _record(record.exit)

    async def kill(self, pid: int) -> None:
        """End a process and wait until it has ended."""
        process = self._subject(pid)
        if process.alive:
            await self._kernel.signal(process, Signal.TERM)
            await process.exited.wait()
        self._reap(process)

    async def signal(self, pid: int, name: str, payload: str = "") -> None:
        process = self._subject(pid)
        try:
            signal = Signal[name.upper().removeprefix("SIG")]
        except KeyError:
            raise EINVAL(
                f"there is no signal {name!r}",
                hint="there are " + ", ".join(one.name for one in Signal),
            ) from None
        await self._kernel.signal(process, signal, payload)

    async def link(self, pid: int) -> None:
        """Linked when the result of the call is committed."""
        process = self._subject(pid)
        self._kernel.check_link(self._caller, process)
        self._change(self._kernel.links.join(self._caller, process))

    async def unlink(self, pid: int) -> None:
        self._change(self._kernel.links.part(self._caller, self._subject(pid)))

    def _change(self, change: tuple[list[Statement], Callable[[], None]]) -> None:
        statements, take_place = change
        self.effects.statements += statements
        self.effects.actions.append(take_place)

    def _subject(self, pid: int) -> Process:
        """A process that the caller may signal: an interactive process is its user's hand and may
        signal any other; an agent on its own those below it. Raises EINVAL, EPERM, ESRCH."""
        caller, pid = self._caller, self._caller.meant(pid)
        process = self._kernel.table.find(pid)
        if pid == INIT_PID:
            raise EPERM("process 1 ends with the kernel")
        if pid == caller.pid:
            raise EINVAL("a process ends itself by answering")
        below = caller.pid in self._kernel.table.ancestors(pid)
        if not (below or caller.interactive):
            raise EPERM(f"process {pid} is not below process {caller.pid}")
        return process

    def processes(self) -> list[ProcessRecord]:
        return [
            ProcessRecord(process.pid, process.state.value, process.name)
            for process in self._kernel.table
        ]

    # ---- messages -------------------------------------------------------------------------

    async def send(self, pid: int, text: str) -> None:
        """Sent when the result of the call is committed."""
        process, message = self._kernel.letter(self._caller.meant(pid), text, self._caller.pid)
        self.effects.statements.append(insert_message(process.pid, message))
        self.effects.actions.append(lambda: process.mailbox.put(message))

    async def receive(
        self, sender: int | None = None, kind: str | None = None, timeout_s: float | None = None
    ) -> MessageRecord:
        """The oldest message that fits, or the next one. Taken when the result of the call is
        committed. Raises ETIME, EDEADLK, ESRCH (the sender has ended, or does meanwhile)."""
        mailbox = self._caller.mailbox
        sender = None if sender is None else self._caller.meant(sender)

        def wanted(message: Message) -> bool:
            return (sender is None or message.sender == sender) and kind in (None, message.kind)

        other = None
        if sender not in (None, FROM_OUTSIDE) and mailbox.first(wanted) is None:
            other = self._kernel.table.find(sender)
            # Whoever waits for a time only can always go on.
            on = {sender} if timeout_s is None else set()
            over = lambda: mailbox.first(wanted) is not None  # noqa: E731
            self._block(f"a message from process {sender}", on, over)
        try:
            async with asyncio.timeout(timeout_s):
                message = await _first(mailbox, wanted, other)
        except TimeoutError:
            raise ETIME(f"no message came within {timeout_s:g} s") from None
        self.effects.statements.append(delete_message(message))
        self.effects.actions.append(lambda: mailbox.remove(message))
        return MessageRecord(message.sender, message.kind, message.text)

    def _block(
        self,
        words: str,
        on: set[int] | frozenset[int],
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        """The caller waits for any of these processes. Raises EDEADLK."""
        deadlock.check(self._kernel.table, self._caller, on)
        self._caller.waiting = Waiting(words, frozenset(on), over)

    # ---- select, shared pages ---------------------------------------------------------------

    async def select(
        self,
        pids: Sequence[int] = (),
        *,
        messages: bool = False,
        input: bool = False,
        timeout_s: float | None = None,
    ) -> str:
        """Which of several things is there first, in words; nothing is taken. Raises ECHILD,
        EDEADLK, EINVAL, ETIME."""
        caller, kernel = self._caller, self._kernel
        pids = [caller.meant(pid) for pid in pids]
        processes = [kernel.table.find(pid) for pid in pids]
        pipe = caller.stdin if input else None
        if input and pipe is None:
            raise EINVAL(f"process {caller.pid} has no stdin")
        if not (pids or messages or pipe):
            raise EINVAL("there is nothing to select from")

        def there() -> str | None:
            for process in processes:
                if not process.alive:
                    return f"pid {process.pid} has ended"
            if messages and (message := caller.mailbox.first()) is not None:
                return f"a message of pid {message.sender} is there"
            if pipe is not None and not (pipe.empty and not pipe.eof):
                return "input is there"
            return None

        if there() is None:
            writers = pipe.pids(End.WRITE) if pipe is not None else frozenset()
            hopeful = messages or timeout_s is not None or (pipe is not None and not writers)
            self._block("the first of several", set() if hopeful else {*pids, *writers})
        try:
            async with asyncio.timeout(timeout_s):
                while (found := there()) is None:
                    waits: list[Awaitable[object]] = [one.exited.wait() for one in processes]
                    waits += [caller.mailbox.next()] if messages else []
                    waits += [pipe.change()] if pipe is not None else []
                    await first_of(*waits)
        except TimeoutError:
            raise ETIME(f"nothing was there within {timeout_s:g} s") from None
        return found

    def read_shared(self, name: str) -> tuple[str, int]:
        page = self._kernel.shared.read(self._caller, name)
        return page.text, page.version

    async def write_shared(
        self,
        name: str,
        text: str,
        version: int | None = None,
        readers: str | None = None,
        writers: str | None = None,
    ) -> int:
        return await self._kernel.write_shared(
            self._caller, name, text, version=version, readers=readers, writers=writers
        )

    def list_shared(self) -> list[str]:
        return [page.name for page in self._kernel.shared.readable(self._caller)]

    # ---- notes ----------------------------------------------------------------------------

    async def remember(self, text: str) -> None:
        await self._kernel.journal.commit([write_note(text, self._key)])

    async def recall(self, query: str) -> list[str]:
        return await self._kernel.journal.read(lambda connection: find_notes(connection, query))


async def _first(mailbox: Mailbox, wanted: Wanted, other: Process | None) -> Message:
    """The first message that is wanted, as long as the other process, if there is one, can still
    send it. Raises ESRCH."""
    if other is None:
        return await mailbox.next(wanted)
    ways = [asyncio.ensure_future(mailbox.next(wanted)), asyncio.ensure_future(other.exited.wait())]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
    message = mailbox.first(wanted)
    if message is None:
        raise ESRCH(f"process {other.pid} has ended, and no message from it waits")
    return message


def _record(ended: ExitInfo) -> ExitRecord:
    return ExitRecord(ended.pid, ended.status, ended.output)


async def wait_for_exit(process: Process, timeout_s: float | None) -> ExitInfo:
    """The end of a process. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        await process.exited.wait()
    assert process.exit is not None
    return process.exit
