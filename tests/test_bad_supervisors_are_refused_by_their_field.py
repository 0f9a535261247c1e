"""What is wrong with a supervisor's specification is said at once, with the name of the field."""

from __future__ import annotations

from typing import Any

import pytest

from harness import KernelProcess

CHILD = {"name": "a", "task": "hello"}


def with_child(**fields: object) -> dict[str, Any]:
    return {"children": [{"name": "first", "task": "x"}, CHILD | fields]}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.children: "),
        ({"children": []}, "children: a supervisor needs one"),
        ({"children": [CHILD], "strategy": "all"}, "spec.strategy: "),
        ({"children": [CHILD], "max_restarts": -1}, "max_restarts: "),
        ({"children": [CHILD], "max_restarts": "3"}, "spec.max_restarts: "),
        ({"children": [CHILD], "window_s": 0}, "window_s: "),
        ({"children": [CHILD], "window": 5}, "spec.window: "),
        ({"children": [CHILD, CHILD]}, "children.1.name: 'a' is the name of two"),
        (with_child(name="a b"), "children.1.name: "),
        (with_child(task=None), "children.1.task: "),
        (with_child(restart="always"), "spec.children.1.restart: "),
        (with_child(retries=3), "spec.children.1.retries: "),
        (with_child(timeout_s=0), "children.1.timeout_s: "),
        (with_child(watchdog_s=-1), "children.1.watchdog_s: "),
        (with_child(shutdown_s=-1), "children.1.shutdown_s: "),
        (with_child(nice=20), "children.1.nice: "),
        (with_child(budget=0), "children.1.budget: "),
        (with_child(limits={"tokans": 5}), "children.1.limits: there is no limit 'tokans'"),
        (with_child(tools=["reed_file"]), "children.1: "),
        (with_child(program="agant"), "children.1: there is no program 'agant'"),
        (with_child(program="supervisor"), "children.1.task: "),
        (
            with_child(program="supervisor", task='{"children": [{"name": "x"}]}'),
            "children.1.task: children.0.task: x is not interactive",
        ),
    ],
)
def test_it_is_refused(sim_kernel: KernelProcess, spec: dict[str, Any], field: str) -> None:
    with sim_kernel.wire() as wire:
        before = wire.get("ps")["processes"]
        reply = wire.ask("supervise", spec=spec, root=str(sim_kernel.root))
        assert not reply["ok"]
        assert reply["error"]["code"] == "EINVAL"
        assert reply["error"]["message"].startswith(field)
        assert wire.get("ps")["processes"] == before


def test_a_good_one_is_run(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        spec = with_child(restart="transient", limits={"tokens": [500, 1000]}, tools=["now"])
        spec["children"][0]["restart"] = "temporary"
        pid = wire.get("supervise", spec=spec, root=str(sim_kernel.root))["pid"]
        ended = wire.get("wait", pid=pid, timeout_s=30.0)
        assert (ended["status"], ended["output"]) == (0, "2 children ended for good, 0 restarts")


def test_links_are_asked_for_and_ended(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        root = str(sim_kernel.root)
        pids = [wire.get("spawn", root=root, interactive=True)["pid"] for _ in range(3)]
        wire.get("link", pid=pids[0], partner=pids[1])
        wire.get("link", pid=pids[0], partner=pids[2])
        wire.get("unlink", pid=pids[2], partner=pids[0])
        wire.get("kill", pid=pids[0], signal="KILL")
        ended = wire.get("wait", pid=pids[1], timeout_s=30.0)
        reason = f"(process {pids[0]}, which it was linked to, exited with 137)"
        assert (ended["status"], ended["output"]) == (143, reason)
        reply = wire.ask("link", pid=pids[2], partner=99999)
        assert reply["error"]["code"] == "ESRCH"
        (left,) = (one for one in wire.get("ps")["processes"] if one["pid"] == pids[2])
        assert left["exit_status"] is None
        wire.get("kill", pid=pids[2])
