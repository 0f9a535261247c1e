"""What is mounted takes a share of a window and no more; agents name what they want beyond it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import KernelProcess
from llmos.kernel.kernel import Kernel
from llmos.kernel.offering import SHARE, Offering
from llmos.syscalls.errno import ENOSYS
from llmos.syscalls.mounts.backend import spec_of
from llmos.syscalls.mounts.settings import Mount
from llmos.syscalls.runner import InKernel
from llmos.syscalls.table import Entry, Owner, SyscallTable, spoken
from mounting import wayward, write
from simulation import ended, simulate


def mount(table: SyscallTable, name: str, num_tools: int) -> None:
    """Tools of ten words each, as far as `words` counts."""
    far = Mount(name=name, kind="mcp", origin="", trusted=True, fingerprint="")
    specs = [spec_of(far, f"tool-{i}", "It does.", {}, "pure") for i in range(num_tools)]
    table.put(Owner(name, "mcp"), [Entry(spec, InKernel(())) for spec in specs])


def ten(text: str) -> int:
    return 10


def names(offering: Offering, tools: tuple[str, ...] | None, window: int | None) -> set[str]:
    return {spec.name.partition(".")[0] for spec in offering.to(tools, window)}


def test_a_server_is_offered_whole_or_not_at_all() -> None:
    table = SyscallTable()
    mount(table, "big", 20)
    mount(table, "small", 5)
    offering = Offering(table, ten)
    assert names(offering, None, None) == {"big", "small"}
    assert names(offering, None, 1000) == {"big", "small"}, "250 tokens, all of the share"
    assert names(offering, None, 800) == {"big"}
    assert names(offering, None, 400) == {"small"}
    assert names(offering, None, 100) == set()
    crowd = offering.crowded(400)["big"]
    assert (crowd.tokens, crowd.left) == (200, 400 * SHARE)


def test_who_names_them_gets_them() -> None:
    table = SyscallTable()
    mount(table, "big", 20)
    offering = Offering(table, ten)
    assert len(offering.to(("big.*",), 100)) == 20
    assert [spec.name for spec in offering.to(("big.tool-3",), 100)] == ["big.tool-3"]
    assert offering.to((), 100) == []
    table.drop(Owner("big", "mcp"))
    assert offering.to(("big.*",), 100) == []


def test_a_name_that_is_nobodys() -> None:
    table = SyscallTable()
    mount(table, "big", 1)
    offering = Offering(table, ten)
    offering.check("big.*")
    offering.check("big.tool-0")
    with pytest.raises(ENOSYS, match="nothing is mounted as bog") as wrong:
        offering.check("bog.*")
    assert wrong.value.hint == "did you mean big?"
    with pytest.raises(ENOSYS, match=r"did you mean big\.tool-0"):
        offering.check("big.tool-1")


def test_models_speak_of_them_without_a_dot(tmp_path: Path) -> None:
    """Many chat templates and parsers of calls take letters, digits, _ and - alone."""

    async def main(kernel: Kernel, driver: object) -> None:
        mount(kernel.plugins.table, "far", 1)
        process = await kernel.spawn(
            task="call far__tool-0 {}", name=None, root=Path("/"), tools=("far.*", "now")
        )
        assert [tool.name for tool in kernel.tools(process)] == ["far__tool-0", "now"]
        await ended(process)
        calls = [call.name for entry in process.space.resident for call in entry.page.calls]
        assert calls == ["far.tool-0"]

    simulate(tmp_path, main)
    assert spoken("a.b.c") == "a__b__c"


def test_an_agent_is_offered_what_it_names(own_kernel: KernelProcess) -> None:
    write(own_kernel.mounts, {"mcpServers": {"far": wayward(own_kernel.folder / "far")}})
    own_kernel.start().ready()
    run = own_kernel.llmos("run", "--tools", "far.*", 'call far.echo {"text": "hi"}')
    assert run.stdout == "hi\n"
    wrong = own_kernel.llmos("run", "--tools", "fare.*", "hi")
    assert wrong.returncode == 127
    assert "did you mean far?" in wrong.stderr


def test_a_kernel_with_nothing_mounted_loads_nothing_for_it() -> None:
    code = "import llmos.kernel.boot, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert "pydantic" in loaded, "the list of modules is on stdout"
    assert not loaded & {"mcp", "mcp_types", "httpx", "httpx2", "jsonschema", "yaml", "starlette"}
