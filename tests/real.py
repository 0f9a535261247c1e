"""What tests ask of agents on the real engine, and what they look at.

The pilot makes a call that is none of its usual ones when it is the only one it is offered and the
request says what is to go into it; nothing here makes it.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

from harness import KernelProcess, Wire

QUESTION = "what is a process in llmos?"
"""Its answer is a long one, without a call."""


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# ---- agents -------------------------------------------------------------------------------


def agent(wire: Wire, kernel: KernelProcess, task: str, *tools: str, **fields: Any) -> int:
    """The pid of one with a task, which is offered these syscalls alone (none named: the usual)."""
    fields |= {"tools": list(tools)} if tools else {}
    pid: int = wire.get("spawn", task=task, root=str(kernel.root), **fields)["pid"]
    return pid


def idle(wire: Wire, kernel: KernelProcess, *tools: str, **fields: Any) -> int:
    """The pid of an interactive one that has not been told anything."""
    fields |= {"tools": list(tools)} if tools else {}
    pid: int = wire.get("spawn", interactive=True, root=str(kernel.root), attach=True, **fields)[
        "pid"
    ]
    return pid


def say(wire: Wire, pid: int, text: str) -> str:
    """Tell an agent something, and get its answer."""
    wire.get("send", pid=pid, text=text)
    answer: str = turn(wire, pid)["text"]
    return answer


def talk(wire: Wire, kernel: KernelProcess, text: str) -> int:
    """An agent that has answered once."""
    pid = idle(wire, kernel)
    say(wire, pid, text)
    return pid


def end(wire: Wire, *pids: int) -> dict[str, Any]:
    """Kill them; how the last one ended."""
    ended: dict[str, Any] = {}
    for pid in pids:
        wire.get("kill", pid=pid, signal="KILL")
        ended = wire.get("wait", pid=pid)
    return ended


# ---- looking ------------------------------------------------------------------------------


def process(wire: Wire, pid: int) -> dict[str, Any]:
    listed = wire.get("ps")["processes"]
    found: dict[str, Any] = next(one for one in listed if one["pid"] == pid)
    return found


def stopped_or_ended(wire: Wire, pid: int) -> bool:
    state: str = process(wire, pid)["state"]
    return state in ("stopped", "zombie")


def waits(wire: Wire, pid: int, words: str) -> None:
    """Until a process waits, and `ps` says that it is for this."""

    def it_does() -> bool:
        row = process(wire, pid)
        assert row["state"] != "zombie", f"it has ended instead: {pages(wire, pid)}"
        return (row["state"], row["waits_for"]) == ("blocked", words)

    until(it_does)


def turn(wire: Wire, pid: int) -> dict[str, Any]:
    """The next end of a turn of a process that this connection is attached to."""
    while (event := wire.until("turn"))["pid"] != pid:
        pass
    return event


def speaks(wire: Wire, pid: int) -> None:
    """Until the first token of its next answer."""
    while wire.until("text")["pid"] != pid:
        pass


def pages(wire: Wire, pid: int) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = wire.get("logs", pid=pid)["pages"]
    return listed


def calls(wire: Wire, pid: int) -> list[tuple[str, dict[str, Any], str]]:
    """The syscalls of an agent that have a result: name, arguments, and what it was told."""
    there = pages(wire, pid)
    return [
        (page["calls"][0]["name"], json.loads(page["calls"][0]["arguments"]), after["text"])
        for page, after in itertools.pairwise(there)
        if page["calls"]
    ]
