"""What a decision of the scheduler costs, at 1,000 runnable processes, for each policy.

A dispatch is the choice of who goes next, its blocks taken; a switch is all that the scheduler does
between two of them for one process: it was charged for what it generated, goes away for a gap and
comes again. The queue stays as long as it was; prompts, answers and nice differ, sessions are of
ten processes, and the blocks are enough for a few dozen, so that most do not fit and some that went
away must give up what is kept for them. Figures are in microseconds of processor time.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from pathlib import Path

from llmos.kernel.process import Process
from llmos.kernel.scheduling import load, names
from llmos.kernel.scheduling.job import Average, Head, Job
from llmos.kernel.scheduling.run_queue import RunQueue
from llmos.memory.address_space import AddressSpace
from report import report

RUNNABLE, RUNNING, ROUNDS = 1000, 32, 6000
BLOCK_TOKENS = 16
STEP_S = 0.02


def job(pid: int, head: Head, dice: random.Random) -> Job:
    process = Process(
        pid=pid, root=Path("/"), interactive=False, created=0.0, spawn_key=None, parent=1,
        program="agent", name="", space=AddressSpace(""), session=pid // 10,
        nice=dice.choice((0, 0, 0, 0, 5, -5, 19)),
    )  # fmt: skip
    made = Job(process, head, Average(64.0), tokens=600 + int(dice.expovariate(1 / 400)))
    made.attained = int(dice.expovariate(1 / 2000))
    return made


def costs(policy: str) -> tuple[list[float], list[float]]:
    """(of dispatches, of whole switches), in microseconds."""
    dice = random.Random(policy)
    head = Head(tokens=500)
    queue = RunQueue(load(policy))
    queue.blocks.resize(RUNNING * 1200, BLOCK_TOKENS)
    now = 0.0
    for pid in range(2, 2 + RUNNABLE + RUNNING):
        queue.add(job(pid, head, dice), now)
        now += STEP_S / 10
    running: list[Job] = []
    dispatches: list[float] = []
    switches: list[float] = []
    clock = time.thread_time_ns
    while len(dispatches) < ROUNDS:
        now += STEP_S
        began = clock()
        while len(running) < RUNNING:
            before = clock()
            admitted = queue.admit(now, idle=not running)
            dispatches.append((clock() - before) / 1e3)
            if admitted is None:
                break
            running.append(admitted)
        leaving = running.pop(dice.randrange(len(running)))
        for _ in range(8):
            leaving.tokens += 8
            leaving.attained += 8
            queue.blocks.grow(leaving)
            queue.policy.charge(leaving, 8, STEP_S)
            queue.policy.yields(leaving, 8)
        queue.keep(leaving, "read_file", now)
        leaving.tokens = 600 + leaving.tokens % 1400
        queue.add(leaving, now)
        switches.append((clock() - began) / 1e3)
    assert len(queue) + len(running) == RUNNABLE + RUNNING
    return dispatches[ROUNDS // 10 :], switches[ROUNDS // 10 :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    figures, details = {}, {}
    for policy in names():
        gc.collect()
        gc.disable()
        dispatches, switches = costs(policy)
        gc.enable()
        figures[policy] = round(statistics.median(dispatches), 1)
        details[policy] = {
            "dispatch_us": _quantiles(dispatches),
            "switch_us": _quantiles(switches),
        }
    report("dispatch", figures, {"runnable": RUNNABLE, "policies": details})


def _quantiles(costs: list[float]) -> dict[str, float]:
    percent = statistics.quantiles(costs, n=100)
    return {"p50": round(percent[49], 1), "p99": round(percent[98], 1)}


if __name__ == "__main__":
    main()
