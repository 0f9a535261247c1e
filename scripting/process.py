"""A process as a script holds it: talked to, listened to, signalled, forked, waited for."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

from . import amounts, structured
from .errors import KernelError, NoKernel, OutputInvalid, ProcessFailed, TurnFailed
from .stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from typing import Any, Literal

    from ..kernel.messages import Event, ProcessInfo, SignalName, Usage
    from .link import Link

    Reach = Literal["process", "group", "tree"]

T = TypeVar("T")

MISSHAPEN = 65
"""Exit status of a process whose answer is not of its schema."""

KEPT_EVENTS = 10_000
"""That nobody has read yet; the oldest are dropped beyond."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: `status` 0 is well, `output` its answer; `usage` what it has cost (None:
    nobody has told)."""

    pid: int
    status: int
    output: str
    usage: Usage | None


class Process(Generic[T]):
    """One that was spawned or forked by a script. Its answers are of type `T`: texts, unless it was
    spawned with `output`.

    Every method raises `KernelError` where the kernel refuses (`code` is the errno), and `NoKernel`
    when the kernel has gone.
    """

    was_told_to_end: bool
    """By `terminate` or `kill`."""

    def __init__(
        self,
        link: Link,
        born: Awaitable[int],
        *,
        interactive: bool,
        output: Any,
        ours: bool = True,
    ) -> None:
        self._link = link
        self._interactive = interactive
        self._output = output
        self._is_ours = ours
        self._pid: int | None = None
        self._exit: Exit | None = None
        self._exiting: asyncio.Future[Exit] | None = None
        self._turns: deque[asyncio.Future[str]] = deque()
        self._newest: asyncio.Future[str] | None = None
        self.was_told_to_end = False
        self._asking = asyncio.Lock()
        self._text = Stream[str]()
        self._events: Stream[Any] | None = None
        self._birth = asyncio.ensure_future(self._begin(born))

    def __repr__(self) -> str:
        return f"<Process {self._pid if self._pid is not None else 'being born'}>"

    # ---- who it is ------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Raises RuntimeError while it is being born (`await p.born()`)."""
        if self._pid is None:
            raise RuntimeError("this process has not been born yet: await p.born()")
        return self._pid

    @property
    def interactive(self) -> bool:
        """Does it wait for the next message after each answer?"""
        return self._interactive

    @property
    def has_ended(self) -> bool:
        """Has its end been heard of?"""
        return self._exit is not None

    async def born(self) -> int:
        """Its pid, once it is in the kernel's table."""
        await asyncio.shield(self._birth)
        return self.pid

    async def info(self) -> ProcessInfo:
        """Its row of `ps`. Raises KernelError ESRCH once it has been waited for."""
        pid = await self.born()
        for row in (await self._link.ask("ps")).processes:
            if row.pid == pid:
                found: ProcessInfo = row
                return found
        raise KernelError("ESRCH", f"no process {pid}")

    async def limits(self) -> dict[str, list[float | None]]:
        """Its limits, soft and hard; of a resource that is not named there is none."""
        return dict((await self.info()).limits)

    # ---- talking --------------------------------------------------------------------------

    async def send(self, text: str) -> None:
        """Puts a message into its mailbox, and does not wait for the answer."""
        pid = await self.born()
        self.expect_turn()
        try:
            await self._link.ask("send", pid=pid, text=text)
        except BaseException:
            self._turns.pop()
            raise

    async def answer(self) -> T:
        """The answer to what it was told last: by its prompt, `send` or a fork's task. Raises
        TurnFailed, ProcessFailed, OutputInvalid."""
        await self.born()
        if not self._interactive:
            return await self.result()
        if self._newest is None:
            raise RuntimeError(f"process {self.pid} was told nothing: p.ask(text), or p.send(text)")
        return self._parsed(await asyncio.shield(self._newest))

    async def ask(self, text: str) -> T:
        """One turn: a message, and its answer. Cancelled, it interrupts the turn. Raises as
        `answer`."""
        await self.born()
        if not self._interactive:
            raise RuntimeError(
                f"process {self.pid} has a task and ends with it: spawn(…, interactive=True) makes"
                " one to talk to"
            )
        async with self._asking:
            await self.send(text)
            try:
                return await self.answer()
            except asyncio.CancelledError:
                self._link.errand(self.signal("INT"))
                raise

    @property
    def stdout(self) -> AsyncIterator[str]:
        """What it says, in pieces as they come, from its birth to its end. To be read once."""
        return self._text

    @property
    def events(self) -> AsyncIterator[Event]:
        """Its events from now on (`Text`, `Call`, `Told`, `Result`, `Turn`, `State`, `Exit` of
        `llmos.kernel.messages`, told apart by `event.event`), until it ends."""
        if self._events is None:
            self._events = Stream(KEPT_EVENTS)
            if self._exit is not None:
                self._events.end()
        return self._events

    # ---- acting on it ---------------------------------------------------------------------

    async def signal(self, name: SignalName, payload: str = "", *, to: Reach = "process") -> None:
        """Signals it; acknowledged when this returns. `payload` is the text of a USR1."""
        pid = await self.born()
        await self._link.ask("kill", pid=pid, signal=name, payload=payload, to=to)

    async def stop(self) -> None:
        """Halts it at the next token."""
        await self.signal("STOP")

    async def cont(self) -> None:
        """Lets it go on from there."""
        await self.signal("CONT")

    async def interrupt(self) -> None:
        """Ends its turn; what it has said stays."""
        await self.signal("INT")

    async def terminate(self) -> None:
        """Tells it to end; in the middle of a turn it has a last, short one."""
        self.was_told_to_end = True
        await self.signal("TERM")

    async def kill(self) -> None:
        """Ends it at once, and all below it (`wait` tells when)."""
        self.was_told_to_end = True
        await self.signal("KILL", to="tree")

    async def renice(self, nice: int) -> None:
        """From -20 (first) to 19 (last)."""
        await self._link.ask("renice", pid=await self.born(), nice=nice)

    @overload
    async def fork(
        self,
        what: str | None = None,
        *,
        interactive: bool | None = None,
        budget: amounts.Amount | None = None,
    ) -> Process[T]: ...
    @overload
    async def fork(
        self, what: int, *, interactive: bool | None = None, budget: amounts.Amount | None = None
    ) -> list[Process[T]]: ...

    async def fork(
        self,
        what: str | int | None = None,
        *,
        interactive: bool | None = None,
        budget: amounts.Amount | None = None,
    ) -> Process[T] | list[Process[T]]:
        """A child that knows all that it knows, with a task as its next message; or so many of
        them. A child is interactive as its parent is, unless it is said."""
        if isinstance(what, int):
            return [await self._fork(None, interactive, budget) for _ in range(what)]
        return await self._fork(what, interactive, budget)

    async def _fork(
        self, task: str | None, interactive: bool | None, budget: amounts.Amount | None
    ) -> Process[T]:
        pid = await self.born()
        talks = self._interactive if interactive is None else interactive

        async def born() -> int:
            request = {"pid": pid, "task": task, "interactive": talks, "attach": True}
            return int((await self._link.ask("fork", **request, budget=amounts.tokens(budget))).pid)

        child: Process[T] = Process(self._link, born(), interactive=talks, output=self._output)
        if task is not None:
            child.expect_turn()
        await child.born()
        return child

    # ---- its end --------------------------------------------------------------------------

    async def wait(self, timeout: float | None = None) -> Exit:
        """How it ended, once it has. Raises TimeoutError after `timeout` seconds; it lives on."""
        await self.born()
        if self._exit is None:
            if self._exiting is None or self._exiting.done():
                self._exiting = asyncio.ensure_future(self._reap())
                self._exiting.add_done_callback(_retrieved)
            async with asyncio.timeout(timeout):
                return await asyncio.shield(self._exiting)
        return self._exit

    async def result(self, timeout: float | None = None) -> T:
        """Its output, once it has ended well. Raises ProcessFailed, OutputInvalid, and TimeoutError
        after `timeout` seconds."""
        ended = await self.wait(timeout)
        if ended.status == MISSHAPEN:
            self._parsed(ended.output)  # which says best what is wrong
            raise self._invalid(ended.output)
        if ended.status:
            raise ProcessFailed(ended.pid, ended.status, ended.output, ended.usage)
        return self._parsed(ended.output)

    async def _reap(self) -> Exit:
        info = await self._link.wait(self.pid)
        return self._ended(Exit(info.pid, info.status, info.output, info.usage))

    def _ended(self, exited: Exit) -> Exit:
        self._exit = exited
        self._end_turns(ProcessFailed(exited.pid, exited.status, exited.output, exited.usage))
        return exited

    def _parsed(self, text: str) -> T:
        try:
            value: T = structured.parsed(self._output, text)
            return value
        except ValueError as error:
            raise self._invalid(text) from error

    def _invalid(self, text: str) -> OutputInvalid:
        status, usage = (self._exit.status, self._exit.usage) if self._exit else (0, None)
        is_class = isinstance(self._output, type)
        words = f"did not answer as {self._output.__name__ if is_class else self._output}"
        return OutputInvalid(self.pid, status, text, usage, words)

    # ---- what is heard of it --------------------------------------------------------------

    async def _begin(self, born: Awaitable[int]) -> int:
        self._pid = await born
        self._link.listen(self._pid, self._heard)
        return self._pid

    def expect_turn(self) -> None:
        """A message is on its way to it. Turns come in the order of the messages."""
        self._newest = asyncio.get_running_loop().create_future()
        self._newest.add_done_callback(_retrieved)
        self._turns.append(self._newest)

    def _heard(self, event: Any) -> None:
        if event is None:
            self._end_turns(NoKernel("the kernel closed the connection"))
            self._end_streams()
            return
        if event.event == "text":
            self._text.put(event.text)
        if self._events is not None:
            self._events.put(event)
        if event.event == "turn" and self._turns:
            turn = self._turns.popleft()
            if event.status == "done":
                turn.set_result(event.text)
            else:
                turn.set_exception(TurnFailed(event.pid, event.status, event.text))
        elif event.event == "exit":
            self._gone(event)

    def _gone(self, event: Any) -> None:
        self._end_streams()
        if self._is_ours:
            self._link.errand(self.wait())  # what it has cost; turns that are asked for fail then
        else:  # whoever started it may want to wait for it
            self._end_turns(ProcessFailed(event.pid, event.status, event.output, None))

    def _end_turns(self, error: Exception) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_exception(error)

    def _end_streams(self) -> None:
        self._text.end()
        if self._events is not None:
            self._events.end()


def _retrieved(future: asyncio.Future[Any]) -> None:
    """An error that nobody asks for is none."""
    if not future.cancelled():
        future.exception()
