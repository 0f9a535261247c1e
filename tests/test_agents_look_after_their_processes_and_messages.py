"""An agent sees what its helpers do, lets others go first, and knows what waits for it."""

from __future__ import annotations

from pathlib import Path

from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from simulation import simulate, until
from talking import agent, call


def test_what_a_process_does_and_has_used(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        one = await agent(kernel, "process_status")
        told = await call(kernel, one, "process_status")
        assert f"pid:              {one.pid}" in told and "waits for:        process_status" in told
        other = await agent(kernel)
        assert "name:             a" in await call(kernel, one, "process_status", pid=other.pid)
        assert (await call(kernel, one, "process_status", pid=99)).startswith("ESRCH: ")

    simulate(tmp_path, main)


def test_who_is_alone_lets_others_go_first_and_not_the_other_way(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        shell, other = await agent(kernel, "nice"), await agent(kernel)
        assert await call(kernel, shell, "nice", pid=other.pid, level=5) == (
            f"pid {other.pid} has nice 5"
        )
        assert await call(kernel, shell, "nice", pid=other.pid, level=-5) == (
            f"pid {other.pid} has nice -5"
        )
        assert other.nice == -5
        told = await call(kernel, shell, "nice", pid=other.pid, level=20)
        assert told == "EINVAL: level: expected 19 or less, got 20"
        task = f'call nice {{"pid": {other.pid}, "level": 0}}'
        alone = await kernel.spawn(task=task, name="l", root=tmp_path, tools=("nice",))
        await alone.exited.wait()
        assert alone.exit is not None
        assert alone.exit.output == f"EPERM: process {other.pid} is not below process {alone.pid}"
        own = kernel.table.new_pid() + 1
        task = f'call nice {{"pid": {own}, "level": -1}}'
        greedy = await kernel.spawn(task=task, name="g", root=tmp_path, tools=("nice",))
        await greedy.exited.wait()
        assert greedy.exit is not None and greedy.pid == own
        assert greedy.exit.output.startswith(f"EPERM: process {own} has nice 0")

    simulate(tmp_path, main)


def test_what_waits_to_be_received(tmp_path: Path) -> None:
    async def main(kernel: Kernel, driver: SimulatedDriver) -> None:
        reader = await agent(kernel, "list_messages", "sleep", "receive")
        assert await call(kernel, reader, "list_messages") == "none"
        await kernel.send(reader.pid, "call list_messages {}")
        await kernel.send(reader.pid, "two\nlines", reader.pid)
        await kernel.send(reader.pid, "tea", kind="alarm")

        def told() -> list[str]:
            pages = [entry.page for entry in reader.space.resident]
            return [page.text for page in pages if page.role == "tool" and "tea" in page.text]

        await until(lambda: bool(told()))
        assert told() == [f"pid {reader.pid} says: two lines\n(alarm) tea"]

    simulate(tmp_path, main)
