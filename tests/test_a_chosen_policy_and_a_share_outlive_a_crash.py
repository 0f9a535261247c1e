"""What was chosen of scheduling while the kernel ran holds after `kill -9`; a policy ends with a
halt, a share with its session."""

from __future__ import annotations

import json

from harness import KernelProcess


def scheduler(kernel: KernelProcess) -> tuple[str, dict[str, float]]:
    told = json.loads(kernel.llmos("scheduler", "--json").stdout)
    return told["policy"], told["shares"]


def test_a_policy_holds_until_the_halt_and_a_share_as_long_as_its_session(
    own_kernel: KernelProcess,
) -> None:
    own_kernel.start()
    with own_kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, root=str(own_kernel.root))["pid"]
        (row,) = (one for one in wire.get("ps")["processes"] if one["pid"] == pid)
    session = str(row["session"])
    assert own_kernel.llmos("scheduler", "use", "fair").returncode == 0
    assert own_kernel.llmos("scheduler", "share", session, "3").returncode == 0
    own_kernel.kill9()
    own_kernel.start()
    assert scheduler(own_kernel) == ("fair", {session: 3})
    assert own_kernel.llmos("halt").returncode == 0
    own_kernel.start()
    assert scheduler(own_kernel) == ("mlfq", {session: 3})
    assert own_kernel.llmos("kill", str(pid)).returncode == 0
    assert own_kernel.llmos("wait", str(pid)).returncode == 143
    own_kernel.kill9()
    own_kernel.start()
    assert scheduler(own_kernel) == ("mlfq", {})
