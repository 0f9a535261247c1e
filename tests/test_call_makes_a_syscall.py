"""`llmos call` makes a syscall by hand, as a process of its own."""

from __future__ import annotations

import asyncio
import json

import pytest

from harness import KernelProcess, Wire
from mounting import becomes


def test_arguments_are_typed_by_name(sim_kernel: KernelProcess) -> None:
    (sim_kernel.root / "1").write_text("one")
    run = sim_kernel.llmos
    assert run("call", "calculate", "expression=6 * 7").stdout == "42\n"
    assert run("call", "read_file", "path=1").stdout == "one\n", "a text stays one"
    assert run("call", "read_file", '{"path": "1"}').stdout == "one\n"
    document = json.loads(run("call", "calculate", "expression=1", "--json").stdout)
    assert (document["ok"], document["text"]) == (True, "1")


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        (["read_file", "path=none"], 1, "ENOENT: no such file: none"),
        (["read_file", "pat=none"], 2, "EINVAL: "),
        (["read_file", "none"], 2, "'none' is not NAME=VALUE"),
        (["read_file", "{"], 2, "the arguments are not JSON"),
        (["reed_file"], 127, "did you mean read_file?"),
        (["exec", "task=x"], 127, "ENOSYS: exec is about a conversation"),
    ],
)
def test_errors_have_their_status(
    sim_kernel: KernelProcess, line: list[str], status: int, words: str
) -> None:
    run = sim_kernel.llmos("call", *line)
    assert (run.returncode, run.stdout) == (status, "")
    assert words in run.stderr


def test_it_leaves_no_process_behind(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        before = {one["pid"] for one in wire.get("ps")["processes"]}
        sim_kernel.llmos("call", "now")

        async def over() -> None:
            await becomes(lambda: {one["pid"] for one in wire.get("ps")["processes"]} <= before)

        asyncio.run(over())


def test_a_guest_is_its_connections_alone(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire, sim_kernel.wire() as other:
        pid = wire.get("open_guest", root=str(sim_kernel.root))["pid"]
        refused = other.ask("call", pid=pid, name="now")
        assert refused["error"]["code"] == "EPERM"
        assert wire.get("call", pid=pid, name="now")["ok"]
        agent = wire.get("spawn", root=str(sim_kernel.root), interactive=True)["pid"]
        assert wire.ask("call", pid=agent, name="now")["error"]["code"] == "EPERM"
        wire.get("kill", pid=agent, signal="KILL")
        wire.get("wait", pid=agent)


def test_its_calls_are_in_the_journal(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("open_guest", root=str(sim_kernel.root))["pid"]
        wire.get("call", pid=pid, name="calculate", arguments={"expression": "2+2"})
        wire.get("call", pid=pid, name="calculate", arguments={"expression": "2+"})
        pages = wire.get("logs", pid=pid)["pages"]
    assert [page["role"] for page in pages] == ["assistant", "tool"] * 2
    assert pages[0]["calls"][0]["name"] == "calculate"
    assert pages[1]["text"] == "4"
    assert pages[3]["text"].startswith("EINVAL")


def test_signals_and_limits_end_it(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("open_guest", root=str(sim_kernel.root))["pid"]
        waiting = _ask_later(wire, pid, "receive")
        with sim_kernel.wire() as other:
            other.get("kill", pid=pid, signal="TERM")
        assert wire.read()["id"] == waiting
        assert wire.ask("call", pid=pid, name="now")["error"]["code"] == "ESRCH"

        pid = wire.get("open_guest", root=str(sim_kernel.root), limits={"syscalls": 2})["pid"]
        assert wire.get("call", pid=pid, name="now")["ok"]
        assert wire.get("call", pid=pid, name="now")["ok"]
        while (reply := wire.ask("call", pid=pid, name="now"))["ok"]:
            pass
        assert reply["error"]["code"] == "ESRCH"


def test_calls_run_side_by_side_and_can_be_called_off(sim_kernel: KernelProcess) -> None:
    with sim_kernel.wire() as wire:
        pid = wire.get("open_guest", root=str(sim_kernel.root))["pid"]
        waiting = _ask_later(wire, pid, "receive", key="r")
        assert wire.get("call", pid=pid, name="now")["ok"]
        wire.get("cancel_call", pid=pid, key="r")
        reply = next((m for m in wire.events if m.get("id") == waiting), None) or wire.read()
        assert (reply["id"], reply["error"]["code"]) == (waiting, "ECANCELED")


def _ask_later(wire: Wire, pid: int, name: str, key: str = "") -> int:
    """Send the request, and do not wait for its reply; its number."""
    request = {"id": 1000, "op": "call", "pid": pid, "name": name, "key": key}
    wire.send_raw(json.dumps(request).encode() + b"\n")
    return 1000
