"""Shared pages: by name, for those whom their owner lets, and nobody overwrites unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.kernel.services import Services
from llmos.syscalls.errno import EAGAIN, EINVAL, ENOENT, EPERM
from simulation import ended, simulate

ROOT = Path("/")


async def idle(kernel: Kernel, parent: int = 1) -> Process:
    return await kernel.spawn(task=None, name="i", root=ROOT, parent=parent, interactive=True)


def of(kernel: Kernel, process: Process) -> Services:
    return Services(kernel, process, "000000000")


def test_what_one_writes_another_of_its_session_reads(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        parent = await idle(kernel)
        child = await idle(kernel, parent.pid)
        assert await of(kernel, parent).write_shared("plan", "first") == 1
        assert of(kernel, child).read_shared("plan") == ("first", 1)
        assert await of(kernel, child).write_shared("plan", "second", version=1) == 2
        assert of(kernel, parent).list_shared() == ["plan"]

    simulate(tmp_path, main)

    async def later(kernel: Kernel, _: SimulatedDriver) -> tuple[str, int]:
        return of(kernel, kernel.table.find(2)).read_shared("plan")

    assert simulate(tmp_path, later) == ("second", 2)


def test_a_write_from_an_old_version_is_refused(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        one = await idle(kernel)
        services = of(kernel, one)
        await services.write_shared("plan", "first")
        await services.write_shared("plan", "second", version=1)
        with pytest.raises(EAGAIN, match="'plan' has version 2 by now, not 1"):
            await services.write_shared("plan", "third", version=1)
        assert services.read_shared("plan") == ("second", 2)

    simulate(tmp_path, main)


@pytest.mark.parametrize(
    ("who", "stranger", "child"),
    [("owner", False, False), ("tree", False, True), ("session", False, True), ("all", True, True)],
)
def test_who_may_read_is_up_to_the_owner(
    tmp_path: Path, who: str, stranger: bool, child: bool
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        owner = await idle(kernel)
        others = {(await idle(kernel)).pid: stranger, (await idle(kernel, owner.pid)).pid: child}
        await of(kernel, owner).write_shared("plan", "mine", readers=who, writers="owner")
        for pid, may in others.items():
            services = of(kernel, kernel.table.find(pid))
            assert services.list_shared() == (["plan"] if may else [])
            if may:
                assert services.read_shared("plan") == ("mine", 1)
            else:
                with pytest.raises(EPERM, match=f"process {pid} may not read 'plan'"):
                    services.read_shared("plan")
            with pytest.raises(EPERM, match="may not write 'plan': it is for process 2, which"):
                await services.write_shared("plan", "stolen")

    simulate(tmp_path, main)


def test_mistakes_are_named(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        services = of(kernel, await idle(kernel))
        await services.write_shared("plan", "x")
        with pytest.raises(ENOENT) as missing:
            services.read_shared("plam")
        assert missing.value.hint == "did you mean plan?"
        with pytest.raises(EINVAL, match="'everyone' is nobody"):
            await services.write_shared("plan", "x", readers="everyone")

    simulate(tmp_path, main)


def test_an_agent_shares_by_syscalls(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> list[str]:
        said = []
        for task in (
            'call shared_write {"name": "plan", "text": "walk", "readers": "all"}',
            'call shared_read {"name": "plan"}',
            "call shared_list",
        ):
            process = await kernel.spawn(task=task, name=None, root=ROOT)
            said.append((await ended(process))[1])
        return said

    assert simulate(tmp_path, main) == ["plan has version 1", "version 1:\nwalk", "plan"]
