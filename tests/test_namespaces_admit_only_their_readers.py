"""A namespace is for those whom its owner lets: to read it, and to write into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import KernelProcess, Wire
from library import llmos
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.process import Process
from llmos.syscalls.errno import EINVAL, ENOENT, EPERM
from simulation import simulate


async def idle(kernel: Kernel, parent: int = 1) -> Process:
    return await kernel.spawn(task=None, name="i", root=Path("/"), parent=parent, interactive=True)


@pytest.mark.parametrize(
    ("who", "stranger", "child"),
    [("owner", False, False), ("tree", False, True), ("session", False, True), ("all", True, True)],
)
def test_who_may_read_is_up_to_the_owner(
    tmp_path: Path, who: str, stranger: bool, child: bool
) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        owner = await idle(kernel)
        others = {(await idle(kernel)): stranger, (await idle(kernel, owner.pid)): child}
        await kernel.namespaces.open(owner, "plans", who, "owner")
        for process, may in others.items():
            seen = [scope.owner for scope in kernel.namespaces.scopes(process)]
            assert seen == (["kb:plans"] if may else [])
            if may:
                kernel.namespaces.scopes(process, ["plans"])
            else:
                with pytest.raises(EPERM, match=f"{process.pid} may not read namespace 'plans'"):
                    kernel.namespaces.scopes(process, ["plans"])
            with pytest.raises(EPERM, match="may not write namespace 'plans'"):
                await kernel.namespaces.open(process, "plans", None, None)
        user = kernel.table.find(1)
        assert kernel.namespaces.scopes(user, ["plans"])

    simulate(tmp_path, main)


def test_who_may_is_known_after_a_restart(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        await kernel.namespaces.open(await idle(kernel), "plans", "owner", None)

    simulate(tmp_path, main)

    async def later(kernel: Kernel, _: SimulatedDriver) -> None:
        stranger = await idle(kernel)
        assert kernel.namespaces.scopes(stranger) == []
        assert len(kernel.namespaces.scopes(kernel.table.find(2))) == 1

    simulate(tmp_path, later)


def test_mistakes_are_named(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        user = kernel.table.find(1)
        await kernel.namespaces.open(user, "plans", None, None)
        with pytest.raises(ENOENT) as missing:
            kernel.namespaces.scopes(user, ["plan"])
        assert missing.value.hint == "did you mean plans?"
        with pytest.raises(EINVAL, match="'everyone' is nobody"):
            await kernel.namespaces.open(user, "plans", "everyone", None)
        with pytest.raises(EINVAL, match="no name of a namespace"):
            await kernel.namespaces.open(user, "a/b", None, None)

    simulate(tmp_path, main)


def test_no_request_passes_by_the_door(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    """Every request about a namespace is refused to a process that it is not for."""
    (tmp_path / "secret.md").write_text("# Secret\n\nThe treasure lies under the oak.\n")
    with sim_kernel.wire() as wire:
        owner, stranger = (spawned(wire) for _ in range(2))
        llmos(
            sim_kernel, "ingest", str(tmp_path), "-n", "secret", "--as", str(owner),
            "--readers", "tree", "--writers", "owner",
        )  # fmt: skip
        source = {"path": "/x.md", "size": 1, "mtime_ns": 1, "digest": "x"}
        for op, fields in (
            ("kb_open", {"readers": "all"}),
            ("kb_documents", {}),
            ("kb_same", {"source": source}),
            ("kb_add", {"source": source, "passages": []}),
            ("kb_remove", {}),
            ("kb_remove", {"beneath": "/x.md"}),
        ):
            reply = wire.ask(op, namespace="secret", pid=stranger, **fields)
            assert reply["error"]["code"] == "EPERM", op
        refused = wire.ask("kb_search", query="treasure", namespaces=["secret"], pid=stranger)
        assert refused["error"]["code"] == "EPERM"
        unnamed = wire.get("kb_search", query="treasure", k=50, pid=stranger)["found"]
        assert "secret" not in {one["namespace"] for one in unnamed}
        listed = wire.get("kb", pid=stranger)["namespaces"]
        assert "secret" not in {one["name"] for one in listed}
        found = wire.get("kb_search", query="treasure", namespaces=["secret"], pid=owner)["found"]
        assert "under the oak" in found[0]["text"]


def spawned(wire: Wire) -> Any:
    return wire.get("spawn", interactive=True)["pid"]
