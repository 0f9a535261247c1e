"""With summaries, the model itself says in a few words what has left a window."""

from __future__ import annotations

from pathlib import Path

from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from simulation import simulate, until

WINDOW = Capacity(max_num_seqs=4, window_tokens=400, kv_cache_tokens=4000)


def script(request: ChatRequest) -> Reply:
    asked = request.messages[-1].text
    if asked.startswith("Summarise"):
        assert not request.tools, "it has nothing to do but to write"
        return Reply(f"They counted; {'again' if 'What came before' in asked else 'at first'}.")
    return Reply(" ".join(f"word{number}" for number in range(20)))


async def talk(kernel: Kernel, process: Process, flushes: int) -> None:
    while process.space.faults.evictions < flushes:
        await kernel.send(process.pid, "one two three four five six seven")
        await until(lambda: not process.mailbox and process.waits_for == "a message")


def test_it_stands_in_the_head_from_the_next_flush_on(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> int:
        process = await kernel.spawn(task=None, name="p", root=Path("/"), interactive=True)
        await talk(kernel, process, 1)
        await until(lambda: "summary" in process.space.blocks)
        assert "They counted" not in process.space.system, "the prefix cache holds"
        await talk(kernel, process, 2)
        assert "They counted; at first." in process.space.system
        await until(lambda: process.space.blocks["summary"].text.endswith("again."))
        await until(lambda: len(kernel.table) == 2)
        return process.pid

    async def later(kernel: Kernel, _: SimulatedDriver) -> None:
        space = kernel.table.find(pid).space
        assert space.blocks["summary"].text == "They counted; again."
        assert "They counted; at first." in space.system

    pid = simulate(tmp_path, main, script=script, capacity=WINDOW, summaries=True, recall_tokens=0)
    simulate(tmp_path, later, script=script, capacity=WINDOW, summaries=True, recall_tokens=0)


def test_without_them_nobody_is_started(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        process = await kernel.spawn(task=None, name="p", root=Path("/"), interactive=True)
        await talk(kernel, process, 2)
        assert not process.space.blocks
        assert kernel.table.new_pid() == process.pid + 1

    simulate(tmp_path, main, script=script, capacity=WINDOW, recall_tokens=0)
