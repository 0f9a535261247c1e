"""The trap: the way of a process's syscall through the kernel.

    intent (journal) → effect (the dispatch door) → result (journal, with the tool page)

Only a `once` call leaves an intent: after a crash it is the proof that the call may have happened,
and the agent is told EINTR instead of having it done twice. `pure` and `idempotent` calls are
simply made again. What a call does to the kernel's own state (a message sent, a message taken) is
committed with its result: it happens exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..memory.page import Call
from ..syscalls import Context
from ..syscalls.errno import EINTR, SyscallError
from . import records
from .kernel import Kernel
from .process import Process
from .services import Effects, Services


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the agent reads, whether the call did what it should, and what it does when its result
    is committed."""

    text: str
    ok: bool
    effects: Effects = field(default_factory=Effects)


async def trap(kernel: Kernel, process: Process, call: Call) -> Outcome:
    """Make a process's syscall. Errors of any kind are outcomes: the agent reads them."""
    key = (process.pid, call.call_id)
    services = Services(kernel, process, call.call_id)
    try:
        if key in kernel.interrupted_calls:
            kernel.interrupted_calls.discard(key)
            raise EINTR(
                f"the kernel went down during {call.name}; it may or may not have happened",
                hint="look before you do it again",
            )
        if kernel.effect_of(call.name) == "once":
            await kernel.journal.commit([records.insert_intent(*key, call.name)])
        context = Context(pid=process.pid, call_id=call.call_id, root=process.root, kernel=services)
        text = await kernel.dispatcher.call(call.name, call.arguments, context)
        return Outcome(text, True, services.effects)
    except SyscallError as error:
        return Outcome(str(error), False)
