"""While the journal cannot be written nothing is acknowledged; when it can, all goes on."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.journal import JournalError
from llmos.kernel.kernel import Kernel
from simulation import simulate


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow: every write fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_process_waits_for_the_disk_and_then_goes_on(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> str:
        process = await kernel.spawn(task=None, name="p", root=Path("/"), interactive=True)
        await kernel.send(process.pid, "count 50")
        await asyncio.sleep(0.06)
        with full_disk():
            with pytest.raises(JournalError, match="cannot write the journal"):
                await kernel.send(process.pid, "not acknowledged")
            with pytest.raises(JournalError):
                await kernel.spawn(task="nor this", name=None, root=Path("/"))
            while process.waits_for != "the journal":
                await asyncio.sleep(0.01)
            assert len(process.space) < 2, "no page that is not on disk"
        while len(process.space) < 2:
            await asyncio.sleep(0.1)
        assert [entry.page.role for entry in process.space.resident] == ["user", "assistant"]
        assert [message.text for message in process.mailbox] == []
        assert [p.pid for p in kernel.table] == [1, process.pid]
        last = process.space.last
        assert last is not None
        return last.text

    assert simulate(tmp_path, main).split()[-1] == "50"


def test_a_call_that_must_not_be_repeated_is_not_when_its_result_finds_no_room(
    tmp_path: Path,
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> tuple[int, str]:
        made = 0
        inner = kernel.dispatcher.call

        async def call(*arguments: object) -> str:
            nonlocal made
            made += 1
            await asyncio.sleep(1)
            return await inner(*arguments)  # type: ignore[arg-type]

        kernel.dispatcher.call = call  # type: ignore[assignment, method-assign]
        kernel.effect_of = lambda name: "once"  # type: ignore[method-assign]
        process = await kernel.spawn(task="call list_processes", name=None, root=Path("/"))
        while not made:
            await asyncio.sleep(0.01)
        with full_disk():
            while process.waits_for != "the journal":
                await asyncio.sleep(0.01)
            await asyncio.sleep(3)
        await process.exited.wait()
        assert process.exit is not None
        return made, process.exit.output

    made, output = simulate(tmp_path, main)
    assert made == 1
    assert output.startswith("1 blocked init")
