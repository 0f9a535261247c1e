"""Messages between processes, and waiting for the first of several things."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from ...syscalls.errno import EINVAL, ESRCH, ETIME
from ...syscalls.services import MessageRecord
from ..mailbox import FROM_OUTSIDE, Mailbox, Message, Wanted
from ..pipe import End, first_of
from ..process import Process
from ..records import delete_message, insert_message
from .calling import Calling


class Messages(Calling):
    """Send, receive, select."""

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

    def waiting_messages(self) -> list[MessageRecord]:
        return [MessageRecord(one.sender, one.kind, one.text) for one in self._caller.mailbox]

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
            on = set() if hopeful else {*pids, *writers}
            self._block("the first of several", on, lambda: there() is not None)
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
