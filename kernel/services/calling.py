"""One call of one process: what it stands on, and what it does to the kernel's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...memory.pager import Pager
from ...memory.swap import Statement
from .. import deadlock, messages
from ..kernel import Kernel
from ..process import Process, Waiting


@dataclass(slots=True)
class Effects:
    """What a syscall does to the kernel's own state: statements for the journal, and the same in
    memory. Both happen together with the call's result, which is a `recalled` page when it quotes
    other pages."""

    statements: list[Statement] = field(default_factory=list)
    actions: list[Callable[[], None]] = field(default_factory=list)
    recalled: bool = False

    def take_place(self) -> None:
        for action in self.actions:
            action()


class Calling:
    """`KernelServices` are written in layers, a noun a file, on this one."""

    def __init__(self, kernel: Kernel, caller: Process, call_id: str) -> None:
        self.effects = Effects()
        self._kernel = kernel
        self._caller = caller
        self._call_id = call_id
        # Unique over all processes, and the same when the kernel makes the call again after a
        # crash: what was done under this key is not done twice.
        self._key = caller.call_key(call_id)
        self._births = 0

    def _birth_key(self) -> str:
        """Names the next process that this call makes: the first as the call, so that there is one
        of it also if it is made again."""
        self._births += 1
        return self._key if self._births == 1 else f"{self._key}+{self._births - 1}"

    def progress(self, name: str, text: str) -> None:
        self._tell("progress", name, text)

    def output(self, name: str, text: str) -> None:
        self._tell("output", name, text)

    def _tell(self, kind: messages.ToldKind, name: str, text: str) -> None:
        event = messages.Told(self._caller.pid, self._call_id, name, kind, text)
        self._kernel.bus.publish(event)

    def _change(self, change: tuple[list[Statement], Callable[[], None]]) -> None:
        statements, take_place = change
        self.effects.statements += statements
        self.effects.actions.append(take_place)

    def _block(
        self,
        words: str,
        on: set[int] | frozenset[int],
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        """The caller waits for any of these processes. Raises EDEADLK."""
        deadlock.check(self._kernel.table, self._caller, on)
        self._caller.waiting = Waiting(words, frozenset(on), over)

    async def _pager(self) -> Pager:
        await self._kernel.engine.ready()
        assert self._kernel.pager is not None, "made when the engine became ready"
        return self._kernel.pager
