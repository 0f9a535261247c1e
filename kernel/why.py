"""Why a process does not go on, in plain sentences, from what the kernel knows at this moment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from ..syscalls.errno import ESRCH
from . import messages
from .kernel import Kernel
from .process import INIT_PID, Process, State
from .records import read_process
from .scheduler import Scheduler
from .scheduling_view import Standing, holders, is_kept, standing

MAX_NAMED = 3
"""Of several processes, so many are named."""

ARGUMENT_CHARACTERS = 60


async def why(kernel: Kernel, pid: int) -> messages.WhyInfo:
    """Raises ESRCH."""
    process = kernel.table.get(pid)
    if process is None:
        return await _reaped(kernel, pid)
    word, sentences = _causes(kernel, process)
    return messages.WhyInfo(pid, process.state.value, word, list(sentences))


async def _reaped(kernel: Kernel, pid: int) -> messages.WhyInfo:
    record = await kernel.journal.read(lambda c: read_process(c, pid))
    if record is None or record.exit is None:
        raise ESRCH(f"no process {pid}, and there never was one", hint="llmos ps lists them")
    words = f"It has ended with exit status {record.exit.status}, and was reaped."
    return messages.WhyInfo(pid, State.ZOMBIE.value, "nothing", [words])


def _causes(kernel: Kernel, process: Process) -> tuple[messages.WaitWord, Iterable[str]]:
    """What it waits for in a word, and in sentences."""
    match process.state:
        case State.ZOMBIE:
            return "nothing", _ended(process)
        case State.STOPPED:
            return "continue", [f"It was told STOP; llmos cont {process.pid} lets it go on."]
        case State.NEW:
            return "plugins", ["It has made no step yet: the kernel boots, and loads its syscalls."]
        case State.RUNNING:
            return "nothing", _running(kernel.scheduler, process)
        case State.READY:
            return "engine", _ready(kernel, process)
        case _:
            return _blocked(kernel, process)


def _ended(process: Process) -> Iterator[str]:
    yield f"It has ended with exit status {process.exit_status}."
    if process.parent == INIT_PID:
        yield f"It stays until a client reads that: llmos wait {process.pid}."
    else:
        yield f"It stays until its parent, {process.parent}, reads that."


def _running(scheduler: Scheduler, process: Process) -> Iterator[str]:
    yield "It is in the engine, and waits for nothing."
    stands = standing(scheduler, process)
    if stands is not None and scheduler.queue.blocks.total:
        yield f"It holds {stands.held} KV blocks that are its own."


def _ready(kernel: Kernel, process: Process) -> Iterator[str]:
    scheduler = kernel.scheduler
    stands = standing(scheduler, process)
    engine = kernel.engine.status(0)
    if stands is None or not stands.waits:
        yield "It is about to ask for the engine."
        return
    others = len(scheduler.queue) - 1
    yield (
        f"It has waited {stands.waited_s:.1f} s for the engine, by the policy"
        f" {scheduler.policy_name} in level {stands.level}; {_before(stands.ahead, others)}."
    )
    if engine.state != "ready" or not scheduler.num_slots:
        yield f"The engine is {engine.state}: {engine.detail or 'it is about to be ready'}."
        return
    if scheduler.num_running >= scheduler.num_slots:
        yield f"All {scheduler.num_slots} slots of the engine are taken."
    if not scheduler.queue.blocks.total:
        yield "The engine does not say what its memory holds: it is full when its slots are."
    yield from _memory(scheduler, process, stands)
    if scheduler.foreseen_s(1):
        yield f"At the pace of late it is admitted in about {_soon(scheduler, stands.ahead)}."


def _before(ahead: int, others: int) -> str:
    if not others:
        return "nobody else waits"
    return f"{ahead or 'none'} of the {others} others that wait come before it"


def _soon(scheduler: Scheduler, ahead: int) -> str:
    foreseen_s = scheduler.foreseen_s(ahead + 1)
    return f"{foreseen_s:.0f} s" if foreseen_s >= 10 else f"{foreseen_s:.1f} s"


def _memory(scheduler: Scheduler, process: Process, stands: Standing) -> Iterator[str]:
    """What it needs of the engine's memory, and who has it."""
    blocks = scheduler.queue.blocks
    if not (blocks.total and scheduler.queue.policy.working_set):
        return
    kept = f", beside {stands.held} that are kept for it" if stands.held else ""
    yield (
        f"To finish its turn it needs {stands.wanted} KV blocks of {blocks.block_tokens} tokens"
        f"{kept}; {max(0, int(blocks.free))} of {blocks.total} are free."
    )
    if stands.wanted <= blocks.free:
        return
    now, others = scheduler.now(), holders(scheduler, process)
    for job in others[:MAX_NAMED]:
        who = f"Process {job.process.pid} ({job.process.name})"
        if scheduler.runs(job):
            yield f"{who} holds {job.held} while it runs."
        elif is_kept(job):
            left_s = max(0.0, job.keep_until - now)
            what = f" over {job.process.waits_for}" if job.process.waits_for else ""
            yield f"{who} keeps {job.held}{what}, for {left_s:.1f} s more if somebody needs them."
        else:
            yield f"{who} keeps {job.held}, and waits as well."
    rest = others[MAX_NAMED:]
    if rest:
        yield f"{len(rest)} others hold {sum(job.held for job in rest)}."


# ---- blocked -----------------------------------------------------------------------------------


def _blocked(kernel: Kernel, process: Process) -> tuple[messages.WaitWord, Iterable[str]]:
    words, on = process.waits_for, process.waiting.on
    calls = process.space.unanswered_calls()
    if words == "the engine":
        engine = kernel.engine.status(0)
        return "engine", [
            "It has a message to read, and waits for the engine to count its tokens.",
            f"The engine is {engine.state}{': ' if engine.detail else ''}{engine.detail}.",
        ]
    if words == "the journal":
        return "journal", ["The journal takes no writes: is the disk full? The log says more."]
    if words == "a message":
        return "message", [f"It waits for a message: llmos send {process.pid} TEXT."]
    if words == "its input":
        sentences = ["It collects its input to the end.", *_each(kernel, on, "writes it")]
        return "input", sentences if on else [*sentences, "A client holds the end to write."]
    if words.startswith("room in pipe"):
        sentences = [f"It waits for {words}, which is full.", *_each(kernel, on, "reads it")]
        return "pipe", sentences if on else [*sentences, "A client holds the end to read."]
    if not calls or process.program != "agent":
        return ("process" if on else "nothing"), [
            f"It waits for {words}." if words else "It is between two steps.",
            *_each(kernel, on, "could end that"),
        ]
    sentences = [_call(kernel, process)]
    if words != calls[0].name:
        sentences.append(f"In it, it waits for {words}.")
    return ("process" if on else "syscall"), [*sentences, *_each(kernel, on, "could end that")]


def _call(kernel: Kernel, process: Process) -> str:
    call = process.space.unanswered_calls()[0]
    arguments = textwrap.shorten(call.arguments, ARGUMENT_CHARACTERS, placeholder="…")
    spec = kernel.plugins.table.find(call.name)
    longest = f", which may take {spec.timeout_s:g} s" if spec is not None else ""
    return f"It makes the call {call.name} {arguments}{longest}."


def _each(kernel: Kernel, pids: Iterable[int], does: str) -> Iterator[str]:
    """Who it depends on, and what these do; of one alone, what that waits for in turn."""
    pids = sorted(pids)
    for pid in pids[:MAX_NAMED]:
        process = kernel.table.get(pid)
        if process is not None:
            waits = f" and waits for {process.waits_for}" if process.waits_for else ""
            yield f"Process {pid} ({process.name}) {does}: it is {process.state.value}{waits}."
    if len(pids) > MAX_NAMED:
        yield f"So could {len(pids) - MAX_NAMED} others."
