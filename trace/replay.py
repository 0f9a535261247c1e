"""The replay of a workload: its agents over the scheduler and an engine, on real or virtual time.

The arms differ in who decides:

- `plain`: nobody; every request goes to the engine at once, which takes them in their order, as
  vLLM by itself does
- a policy's name: the kernel's own scheduler, with that policy
- `clairvoyant`: the scheduler, with a policy that knows what is still to come of each agent and
  lets who has least left go first. Nobody can know that: it is the bound.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..kernel import scheduling
from ..kernel.engine.batching import Batch, Batched, Costs
from ..kernel.engine.driver import Capacity, Prefill
from ..kernel.lease import Lease
from ..kernel.limits import NO_LIMITS, Limit, Limits
from ..kernel.process import Process
from ..kernel.scheduler import Scheduler
from ..kernel.scheduling.job import Job
from ..kernel.scheduling.keyed import Keyed
from ..kernel.scheduling.order import Key
from ..kernel.scheduling.settings import Settings
from ..kernel.tracer import Event, Tracer
from ..memory.address_space import AddressSpace
from . import virtual_time
from .workload import Agent, Turn, Workload

PLAIN, CLAIRVOYANT = "plain", "clairvoyant"


class Server(Protocol):
    """An engine as a replay needs it. What a model would answer is known beforehand."""

    capacity: Capacity

    def generate(
        self, prompt: Sequence[int], answer: Sequence[int]
    ) -> AsyncIterator[tuple[int, int]]:
        """(tokens of the answer that have come, tokens of the prompt that were in the cache), one
        item for each step; closing it aborts the request."""
        ...


@dataclass(slots=True)
class _Request:
    """`left` tokens of the answer are not generated yet."""

    answer: Iterator[int]
    left: int
    heard: asyncio.Queue[None] = field(default_factory=asyncio.Queue)


class BatchServer:
    """`Server` without a model: a batch that steps on the loop's clock."""

    def __init__(self, capacity: Capacity, costs: Costs) -> None:
        self.capacity = capacity
        self.batch = Batch(capacity, costs)
        self._requests: dict[Batched, _Request] = {}
        self._work = asyncio.Event()

    async def run(self) -> None:
        """For ever."""
        while True:
            while not self.batch:
                self._work.clear()
                await self._work.wait()
            work, seconds = self.batch.step()
            await asyncio.sleep(seconds)
            for sequence in work:
                request = self._requests.get(sequence)
                if request is not None and sequence.is_computed:
                    self._answer(sequence, request)

    def _answer(self, sequence: Batched, request: _Request) -> None:
        """The next token, before the next step: who hears of it may be slower."""
        token = next(request.answer)
        request.left -= 1
        if request.left:
            sequence.generated(token)
        else:
            self.batch.remove(sequence)
        request.heard.put_nowait(None)

    async def generate(
        self, prompt: Sequence[int], answer: Sequence[int]
    ) -> AsyncIterator[tuple[int, int]]:
        sequence = Batched(tuple(prompt))
        request = self._requests[sequence] = _Request(iter(answer), len(answer))
        self.batch.add(sequence)
        self._work.set()
        try:
            for _ in answer:
                await request.heard.get()
                yield 1, sequence.tokens_cached
        finally:
            del self._requests[sequence]
            self.batch.remove(sequence)


class ShortestRemaining(Keyed):
    """Knows what is still to come of each process."""

    preempts = False

    def __init__(self, left: dict[Process, int]) -> None:
        super().__init__()
        self._left = left

    def key(self, job: Job) -> Key:
        return (self._left[job.process],)


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds: of each agent from its arrival to its last token, without the gaps in which it had
    nothing to do, in the workload's order; to the first token of each interactive turn; of all.
    `hit_rate` is the share of prompt tokens that were in the engine's cache."""

    completions: tuple[float, ...]
    first_tokens: tuple[float, ...]
    makespan: float
    hit_rate: float
    preemptions: int = 0

    def figures(self) -> dict[str, float]:
        several = self.completions if len(self.completions) > 1 else 2 * self.completions
        cuts = statistics.quantiles(several, n=100, method="inclusive")
        return {
            "mean": statistics.fmean(self.completions),
            "p50": cuts[49],
            "p95": cuts[94],
            "p99": cuts[98],
            "makespan": self.makespan,
        }


class Replay:
    """One workload under one arm. `write` is told what the scheduler does, as when a kernel is
    traced."""

    def __init__(
        self,
        workload: Workload,
        server: Server,
        arm: str,
        settings: Settings = Settings(),  # noqa: B008
        write: Callable[[Event], None] | None = None,
    ) -> None:
        self._workload, self._server, self._write = workload, server, write
        self._left: dict[Process, int] = {}
        self._is_clairvoyant = arm == CLAIRVOYANT
        self.scheduler: Scheduler | None = None
        if self._is_clairvoyant:
            self.scheduler = Scheduler(ShortestRemaining(self._left), arm, settings)
        elif arm != PLAIN:
            self.scheduler = Scheduler(scheduling.load(arm, settings), arm, settings)
        self._progress = [_Progress() for _ in workload.agents]
        self._completions = [0.0] * len(workload.agents)
        self._first_tokens: list[float] = []
        self._tokens_in = self._tokens_cached = 0
        self._heads = [
            range(sum(workload.heads[:family]), sum(workload.heads[: family + 1]))
            for family in range(len(workload.heads))
        ]

    async def run(self) -> Result:
        """Raises TraceError for an agent that does not fit into the engine."""
        self._workload.check(self._server.capacity.kv_cache_tokens)
        self._began = asyncio.get_running_loop().time()
        if self.scheduler is not None:
            if self._write is not None:
                self.scheduler.watch(Tracer(self._write, self.scheduler.now, self._began))
            self.scheduler.open(self._server.capacity)
        numbers = list(range(len(self._workload.agents)))
        if self._workload.at_once:
            numbers.reverse()
            lanes = (self._one_by_one(numbers) for _ in range(self._workload.at_once))
            await asyncio.gather(*lanes)
        else:
            await asyncio.gather(*(self._arrive(number) for number in numbers))
        return Result(
            tuple(self._completions),
            tuple(self._first_tokens),
            self._now(),
            self._tokens_cached / max(1, self._tokens_in),
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    # ---- agents ---------------------------------------------------------------------------

    async def _one_by_one(self, numbers: list[int]) -> None:
        while numbers:
            number = numbers.pop()
            await asyncio.sleep(self._workload.agents[number].think_s)
            await self._agent(number)

    async def _arrive(self, number: int) -> None:
        agent = self._workload.agents[number]
        if agent.parent is None:
            await asyncio.sleep(max(0.0, agent.arrival_s - self._now()))
        else:
            await self._progress[agent.parent].reach(agent.parent_turns)
            await asyncio.sleep(agent.arrival_s)
        await self._agent(number)

    async def _agent(self, number: int) -> None:
        agent, arrived, idle_s = self._workload.agents[number], self._now(), 0.0
        progress = self._progress[number]
        progress.process = process = _process(number + 2, agent, self._began + arrived)
        # Tokens of a family's head are its own, all others are nobody else's.
        fresh = 1_000_000 * (number + 1)
        head = len(self._heads[agent.family])
        progress.prompt = prompt = self._first_prompt(agent, process)
        self._left[process] = agent.tokens
        for turn in agent.turns:
            if turn.cut:
                del prompt[head : head + turn.cut]
                if self.scheduler is not None:
                    self.scheduler.flushed(process, turn.cut)
            prompt += range(fresh, fresh + turn.tokens_in)
            answer = range(fresh + turn.tokens_in, fresh + turn.tokens_in + turn.tokens_out)
            fresh = answer.stop
            await self._generate(process, agent, prompt, answer)
            self._left[process] -= turn.tokens_in + turn.tokens_out
            progress.turn_is_over()
            if turn is not agent.turns[-1]:
                self._pause(process, turn)
                idle_s += 0.0 if turn.syscall else turn.gap_s
                if turn.waits_for is not None:
                    await self._progress[turn.waits_for].ended.wait()
                await asyncio.sleep(turn.gap_s)
        self._completions[number] = self._now() - arrived - idle_s
        if self.scheduler is not None:
            self.scheduler.forget(process)
        progress.ended.set()

    def _first_prompt(self, agent: Agent, process: Process) -> list[int]:
        """What it begins with, before its first turn."""
        head = self._heads[agent.family]
        if agent.parent is None or not agent.shared:
            return list(head)
        parent = self._progress[agent.parent]
        prompt = parent.prompt[: max(agent.shared, len(head))]
        if self.scheduler is not None and parent.process is not None:
            self.scheduler.forked(parent.process, process, len(prompt))
        return prompt

    def _pause(self, process: Process, turn: Turn) -> None:
        if self.scheduler is not None:
            if turn.syscall:
                self.scheduler.pause(process, turn.syscall)
            else:
                self.scheduler.idle(process)

    # ---- generations ----------------------------------------------------------------------

    async def _generate(
        self, process: Process, agent: Agent, prompt: list[int], answer: range
    ) -> None:
        asked = self._now() if agent.interactive else None
        done = 0
        while done < len(answer):
            if self.scheduler is None:
                came = await self._submit(prompt, answer, None, asked)
            else:
                head = self.scheduler.head(agent.family)
                if not head.tokens:  # a kernel measures it once
                    head.tokens = self._workload.heads[agent.family]
                admission = self.scheduler.admitted(
                    process, head=head, tokens=len(prompt), interactive=agent.interactive
                )
                if self._is_clairvoyant:
                    outputs = self.scheduler.enrol(process, head).outputs
                    outputs.mean, outputs.spread, outputs.seen = float(len(answer) - done), 0.0, 1
                async with admission as lease:
                    came = await self._submit(prompt, answer[done:], lease, asked)
                    if done + came == len(answer):
                        lease.completed(len(answer))
            prompt += answer[done : done + came]
            done, asked = done + came, None

    async def _submit(
        self, prompt: list[int], answer: Sequence[int], lease: Lease | None, asked: float | None
    ) -> int:
        """How many tokens of the answer came before the lease was over."""
        done = 0
        async with aclosing(self._server.generate(prompt, answer)) as steps:  # type: ignore[type-var]
            async for came, cached in steps:
                if not done:
                    self._tokens_in += len(prompt)
                    self._tokens_cached += cached
                    if asked is not None:
                        self._first_tokens.append(self._now() - asked)
                    if lease is not None:
                        lease.prefilled(Prefill(len(prompt), cached), 0)
                done += came
                if lease is not None:
                    lease.generated(came)
                    if lease.must_yield and done < len(answer):
                        break
        return done


class _Progress:
    """Of one agent, for those that wait for it."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.prompt: list[int] = []
        self.process: Process | None = None
        self._turns = 0
        self._awaited: dict[int, asyncio.Event] = {}

    def turn_is_over(self) -> None:
        self._turns += 1
        if self._turns in self._awaited:
            self._awaited[self._turns].set()

    async def reach(self, turns: int) -> None:
        if self._turns < turns:
            await self._awaited.setdefault(turns, asyncio.Event()).wait()


def _process(pid: int, agent: Agent, created: float) -> Process:
    limited = agent.wall_s < math.inf
    return Process(
        pid=pid,
        root=Path("/"),
        interactive=agent.interactive,
        created=created,
        spawn_key=None,
        parent=1,
        program="agent",
        name="agent",
        space=AddressSpace(""),
        nice=agent.nice,
        session=agent.session,
        limits=Limits({"wall_s": Limit(agent.wall_s, agent.wall_s)}) if limited else NO_LIMITS,
    )


def simulate(
    workload: Workload,
    arm: str,
    capacity: Capacity,
    costs: Costs,
    settings: Settings = Settings(),  # noqa: B008
    write: Callable[[Event], None] | None = None,
) -> Result:
    """On virtual time, without a model."""

    async def main(_: object) -> Result:
        server = BatchServer(capacity, costs)
        serving = asyncio.create_task(server.run())
        result = await Replay(workload, server, arm, settings, write).run()
        serving.cancel()
        return Result(
            result.completions,
            result.first_tokens,
            result.makespan,
            result.hit_rate,
            server.batch.num_preempted,
        )

    return virtual_time.run(main)
