"""Jobs and queues for tests of the scheduler without a kernel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from llmos.kernel.process import Process
from llmos.kernel.scheduling import Policy, load
from llmos.kernel.scheduling.job import Average, Head, Job
from llmos.kernel.scheduling.run_queue import RunQueue
from llmos.memory.address_space import AddressSpace


def job(
    pid: int,
    nice: int = 0,
    tokens: int = 64,
    head: Head | None = None,
    session: int = 1,
    weight: float = 1.0,
) -> Job:
    """Of a process that has so many tokens, and is taken to answer with 32 more."""
    process = Process(
        pid=pid, root=Path("/"), interactive=False, created=0.0, spawn_key=None, parent=1,
        program="agent", name=f"p{pid}", space=AddressSpace(""), session=session, nice=nice,
    )  # fmt: skip
    return Job(process, head or Head(), Average(32.0), weight=weight, tokens=tokens)


def queue_of(
    policy: str | Policy,
    jobs: Iterable[Job] = (),
    *,
    total_tokens: int = 0,
    block_tokens: int = 16,
    apart_s: float = 1.0,
) -> RunQueue:
    """They came one after the other, `apart_s` apart, from 0 on."""
    queue = RunQueue(load(policy) if isinstance(policy, str) else policy)
    queue.blocks.resize(total_tokens, block_tokens)
    for number, one in enumerate(jobs):
        queue.add(one, number * apart_s)
    return queue
