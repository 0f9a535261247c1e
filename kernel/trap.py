"""The trap: the way of a process's syscall through the kernel.

    intent (journal) → effect (the dispatch door) → result (journal, with the tool page)

Only a `once` call leaves an intent: after a crash it is the proof that the call may have happened,
and the agent is told EINTR instead of having it done twice. `pure` and `idempotent` calls are
simply made again. What a call does to the kernel's own state (a message sent, a message taken) is
committed with its result: it happens exactly once.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    services = Services(kernel, process, call.call_id)
    try:
        _check_not_interrupted(kernel, process, call)
        if kernel.effect_of(call.name) == "once":
            intent = records.insert_intent(process.pid, call.call_id, call.name)
            await kernel.journal.commit([intent])
        context = _context(process, call, services)
        text = await kernel.dispatcher.call(call.name, call.arguments, context)
        return Outcome(text, True, services.effects)
    except SyscallError as error:
        return Outcome(str(error), False)


async def trap_batch(kernel: Kernel, process: Process, calls: Sequence[Call]) -> list[Outcome]:
    """Make several calls of one syscall as one; the outcome of each. The first one's services
    stand for all."""
    outcomes: dict[str, Outcome] = {}
    for call in calls:
        try:
            _check_not_interrupted(kernel, process, call)
        except SyscallError as error:
            outcomes[call.call_id] = Outcome(str(error), False)
    todo = [call for call in calls if call.call_id not in outcomes]
    if todo:
        name, services = todo[0].name, Services(kernel, process, todo[0].call_id)
        if kernel.effect_of(name) == "once":
            await kernel.journal.commit(
                [records.insert_intent(process.pid, call.call_id, name) for call in todo]
            )
        contexts = [_context(process, call, services) for call in todo]
        several = [call.arguments for call in todo]
        try:
            came = await kernel.dispatcher.call_batch(name, several, contexts)
        except SyscallError as error:
            came = [error] * len(todo)
        effects = services.effects
        for call, result in zip(todo, came, strict=True):
            outcomes[call.call_id] = Outcome(str(result), isinstance(result, str), effects)
            effects = Effects()
    return [outcomes[call.call_id] for call in calls]


def _context(process: Process, call: Call, services: Services) -> Context:
    return Context(pid=process.pid, call_id=call.call_id, root=process.root, kernel=services)


def _check_not_interrupted(kernel: Kernel, process: Process, call: Call) -> None:
    """Raises EINTR, once, for a call that a crash has cut off and that must not be repeated."""
    key = (process.pid, call.call_id)
    if key in kernel.interrupted_calls:
        kernel.interrupted_calls.discard(key)
        raise EINTR(
            f"the kernel went down during {call.name}; it may or may not have happened",
            hint="look before you do it again",
        )
