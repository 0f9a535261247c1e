"""What a kernel recorded, replayed under the recorded policy: the same processes end in the same
order, at nearly the same times. Who waited for a helper waits for it in the replay, too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from llmos.kernel.engine.driver import Capacity, ChatRequest, Costs
from llmos.kernel.engine.simulated import Reply
from llmos.kernel.kernel import Kernel
from llmos.kernel.scheduling import names
from llmos.trace import comparing
from llmos.trace.fitting import fit
from llmos.trace.reading import TraceError
from llmos.trace.replay import CLAIRVOYANT, PLAIN, simulate
from llmos.trace.workload import Agent, Turn, Workload
from recording import crowd, traced
from simulation import ROOT, ended


@pytest.mark.parametrize("policy", names())
def test_the_order_of_completions_and_the_times_are_those_that_were(
    tmp_path: Path, policy: str
) -> None:
    trace = traced(tmp_path, crowd, scheduler=policy)
    made = comparing.setup(trace)
    assert (made.policy, made.source) == (policy, "the engine's, as the trace says")
    was, replayed = made.recorded.result, made.run(policy)
    assert len(was.completions) == 30
    assert replayed.makespan == pytest.approx(was.makespan, rel=0.02)
    assert replayed.hit_rate == pytest.approx(was.hit_rate, abs=0.02)
    error = comparing.error(was, replayed)
    assert error["mean_ratio"] == pytest.approx(1, abs=0.05)
    assert error["median_error"] < 0.05
    arrivals = [agent.arrival_s for agent in made.recorded.workload.agents]
    then = [sum(pair) for pair in zip(arrivals, was.completions, strict=True)]
    now = [sum(pair) for pair in zip(arrivals, replayed.completions, strict=True)]
    apart = [
        (one, other)
        for one, other in combinations(range(len(then)), 2)
        if abs(then[one] - then[other]) > 0.05 * was.makespan
    ]
    swapped = [
        (one, other) for one, other in apart if (then[one] < then[other]) != (now[one] < now[other])
    ]
    assert len(apart) > 300 and len(swapped) <= 0.03 * len(apart)


def test_what_the_engine_costs_is_found_from_the_times_alone(tmp_path: Path) -> None:
    trace = traced(tmp_path, crowd)
    fitted = fit(trace)
    assert fitted is not None
    made = replace(comparing.setup(trace), costs=fitted)
    was, replayed = made.recorded.result, made.run(made.policy)
    assert replayed.makespan == pytest.approx(was.makespan, rel=0.1)
    assert comparing.error(was, replayed)["mean_ratio"] == pytest.approx(1, abs=0.1)


def test_few_generations_say_nothing_of_the_costs(tmp_path: Path) -> None:
    trace = traced(tmp_path, lambda kernel: crowd(kernel, size=2))
    made = comparing.setup(replace(trace, header={**trace.header, "costs": None}))
    assert made.costs == Costs() and made.source.startswith("made up")


def test_who_waits_for_its_helper_waits_for_it_in_the_replay(tmp_path: Path) -> None:
    def script(request: ChatRequest) -> Reply:
        task = next(one.text for one in request.messages if one.role == "user")
        if task == "help":
            return Reply(" ".join(map(str, range(400))))
        told = [one.text for one in request.messages if one.role == "tool"]
        if not told:
            return Reply("first", (("spawn", '{"task": "help"}'),))
        if len(told) == 1:
            return Reply("then", (("wait", f'{{"pid": {told[0].split()[-1]}}}'),))
        return Reply("at last")

    async def main(kernel: Kernel) -> None:
        await asyncio.sleep(1.0)
        assert (await ended(await kernel.spawn(task="ask", name="one", root=ROOT)))[0] == 0

    made = comparing.setup(traced(tmp_path, main, script=script))
    parent, helper = made.recorded.workload.agents
    assert parent.parent is None and parent.arrival_s == pytest.approx(1.0)
    assert (helper.parent, helper.parent_turns) == (0, 1)
    assert [turn.syscall for turn in parent.turns] == ["spawn", "wait", ""]
    assert [turn.waits_for for turn in parent.turns] == [None, 1, None]
    slower = replace(made, costs=replace(made.costs, step_s=10 * made.costs.step_s))
    was, replayed = made.recorded.result.completions, slower.run("mlfq").completions
    assert made.run("mlfq").completions == pytest.approx(was, rel=0.02)
    assert replayed[1] > 5 * was[1] and replayed[0] > replayed[1]


def test_a_fork_begins_with_what_its_parent_had(tmp_path: Path) -> None:
    def script(request: ChatRequest) -> Reply:
        last = request.messages[-1].text
        return Reply(" ".join(f"{last}-{index}" for index in range(60)))

    async def main(kernel: Kernel) -> None:
        parent = await kernel.spawn(task="one", name="one", root=ROOT, interactive=True)
        while len(parent.space) < 2:
            await asyncio.sleep(0.01)
        child = await kernel.fork(parent, task="two", interactive=False)
        await ended(child)

    trace = traced(tmp_path, main, script=script)
    (fork,) = (event for event in trace.events if event["e"] == "fork")
    firsts = [event for event in trace.events if event["e"] == "first"]
    assert fork["tokens"] >= 60
    assert firsts[-1]["cached"] >= 48, "the engine had it already"


@pytest.mark.parametrize("arm", [PLAIN, CLAIRVOYANT, *names()])
def test_an_agent_that_fits_no_engine_is_refused_and_not_replayed_for_ever(arm: str) -> None:
    turns = (Turn(600, 100, "shout", 0.1), Turn(300, 200))
    workload = Workload((Agent(0.0, 0.0, 0, (Turn(10, 10),)), Agent(0.0, 0.0, 0, turns)), (100,))
    with pytest.raises(TraceError, match=r"agent 1 needs 1,300 tokens at once.* holds 1,280"):
        simulate(workload, arm, Capacity(4, 1280, 1280), Costs())
    assert simulate(workload, arm, Capacity(4, 1328, 1328), Costs()).makespan > 0
