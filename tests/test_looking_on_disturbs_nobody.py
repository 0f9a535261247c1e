"""Whoever looks on changes nothing: no process goes first for it, and none waits for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import KernelProcess
from llmos.kernel.engine.driver import ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import Sight
from llmos.kernel.onlooker import MOST_KEPT, Onlooker
from simulation import ROOT, simulate, until


def lives(
    folder: Path, *, attached: bool, observed: bool
) -> tuple[list[tuple[int, int]], list[str]]:
    """(priority, tokens that come together) of an interactive process's two prompts, and what was
    seen of it."""
    prompts: list[tuple[int, int]] = []
    seen: list[str] = []

    def script(request: ChatRequest) -> Reply:
        prompts.append((request.priority, request.together))
        if request.messages[-1].role == "user":
            return Reply(calls=(("now", "{}"),))
        return Reply("so late")

    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        process = await kernel.spawn(task=None, name="x", root=ROOT, interactive=True)
        onlooker = Onlooker([process.pid], clock=kernel.clock)
        if observed:
            kernel.bus.look_on(onlooker.hear)
        if attached:
            kernel.bus.attach(process.pid, lambda event: None)
        await kernel.send(process.pid, "how late is it?")
        await until(lambda: len(process.space) == 4)
        if observed:
            sight = await onlooker.take(None)
            seen.extend(one.kind for one in sight.seen)

    simulate(folder, main, script=script)
    return prompts, seen


def test_who_is_looked_at_is_not_taken_for_interactive(tmp_path: Path) -> None:
    alone, _ = lives(tmp_path / "alone", attached=False, observed=False)
    observed, seen = lives(tmp_path / "observed", attached=False, observed=True)
    attached, _ = lives(tmp_path / "attached", attached=True, observed=False)
    assert seen == ["call", "result"]
    assert observed == alone
    assert attached != alone, "somebody who is attached does go first, so this can be told apart"


def test_a_reader_that_does_not_ask_loses_the_oldest_and_is_told_how_many(
    sim_kernel: KernelProcess,
) -> None:
    num_calls = MOST_KEPT // 2 + 50  # each is seen twice: as it begins, and as it ends
    with sim_kernel.wire() as wire, sim_kernel.wire() as other:
        pid = wire.get("open_guest", root=str(sim_kernel.root))["pid"]
        onlooker = other.get("look_on", pids=[pid])["onlooker"]
        for first in range(0, num_calls, 100):
            batch = range(first, min(first + 100, num_calls))
            for number in batch:
                request = {"id": f"c{number}", "op": "call", "pid": pid, "name": "fly"}
                request |= {"arguments": {"number": number}}
                wire.send_raw(json.dumps(request).encode() + b"\n")
            assert all(wire.read()["ok"] for _ in batch), "nobody waits for the reader"
        sight = other.get("look", onlooker=onlooker)
        wire.close()  # and with it the guest ends
        again = other.get("look", onlooker=onlooker)
    assert (len(sight["seen"]), sight["lost"]) == (MOST_KEPT, 2 * num_calls - MOST_KEPT)
    assert again["lost"] == 0 and again["seen"][0]["kind"] in ("signal", "exit")
    numbers = [one["arguments"]["number"] for one in sight["seen"] if one["kind"] == "call"]
    assert max(numbers) == num_calls - 1, "the newest are there"
    assert 0 not in numbers


def test_an_onlooker_goes_with_its_connection(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, root=str(sim_kernel.root))["pid"]
        with sim_kernel.wire() as other:
            onlooker = other.get("look_on", pids=[pid])["onlooker"]
            stranger = wire.ask("look", onlooker=onlooker)
            assert stranger["error"]["code"] == "ENOENT", "it is another connection's"
        for _ in range(100):  # more than there may be at a time
            with sim_kernel.wire() as one:
                one.get("look_on", pids=[pid])
                one.get("ps")
        wire.get("kill", pid=pid, signal="KILL")
        wire.get("wait", pid=pid)


@pytest.mark.parametrize("length", [10, 5_000])
def test_long_texts_are_cut_and_their_size_is_told(length: int) -> None:
    from llmos.kernel.messages import Call, Result

    onlooker = Onlooker([4], clock=lambda: 12.0)
    onlooker.hear(Call(4, "1", "write_file", {"text": "x" * length, "all": ["y" * length]}))
    onlooker.hear(Result(4, "1", "write_file", True, "z" * length, 0.5))
    sight = take(onlooker)
    call, result = sight.seen
    assert len(call.arguments["text"]) == min(length, 1001)
    assert len(call.arguments["all"][0]) == min(length, 1001)
    assert len(result.text) == min(length, 1000) and result.size == length


def take(onlooker: Onlooker) -> Sight:
    import asyncio

    return asyncio.run(onlooker.take(None))
