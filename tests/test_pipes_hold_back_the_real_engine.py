"""A pipe that nobody empties holds back the agent that writes, and frees its slot of the engine."""

from __future__ import annotations

from typing import Any

import pytest

from harness import KernelProcess, Wire
from real import QUESTION, agent, end, idle, process, until, waits


@pytest.fixture
def whole(wire: Wire, kernel: KernelProcess) -> str:
    """What the agent says when nothing holds it back."""
    output: str = wire.get("wait", pid=agent(wire, kernel, QUESTION))["output"]
    return output


def blocked(wire: Wire, kernel: KernelProcess) -> tuple[int, int]:
    """An agent in the middle of its answer, and the pipe, in which is no room for more."""
    pipe = wire.get("pipe", capacity=8)["pipe"]
    pid = agent(wire, kernel, QUESTION, stdout=pipe)
    wire.get("pipe_close", pipe=pipe, end="write")
    waits(wire, pid, f"room in pipe {pipe}")
    return pid, pipe


def test_a_slow_reader_stops_the_generation_and_misses_no_word(
    wire: Wire, kernel: KernelProcess, whole: str
) -> None:
    pid, pipe = blocked(wire, kernel)
    until(lambda: wire.get("status")["engine"]["running"] == 0)  # the slot is free
    before = process(wire, pid)["usage"]["tokens_out"]
    others = [agent(wire, kernel, "what is 6 * 7") for _ in range(4)]
    assert all("42" in wire.get("wait", pid=other)["output"] for other in others)
    assert process(wire, pid)["usage"]["tokens_out"] == before, "meanwhile it has said nothing"
    read: dict[str, Any] = {"eof": False}
    text = ""
    while not read["eof"]:
        read = wire.get("pipe_read", pipe=pipe, limit=4)
        assert len(read["text"]) <= 4
        text += read["text"]
    ended = wire.get("wait", pid=pid)
    assert (ended["status"], ended["output"], text) == (0, whole, f"{whole}\n")
    assert ended["usage"]["tokens_out"] > before


def test_a_writer_ends_when_the_reader_has_gone(
    wire: Wire, kernel: KernelProcess, whole: str
) -> None:
    pid, pipe = blocked(wire, kernel)
    said = wire.get("pipe_read", pipe=pipe, limit=4)["text"]
    wire.get("pipe_close", pipe=pipe, end="read")
    ended = wire.get("wait", pid=pid)
    assert ended["status"] == 141
    assert ended["output"].startswith(said)
    assert whole.startswith(ended["output"])
    assert len(ended["output"]) < len(whole)


def test_a_writer_ends_with_the_agent_that_read(
    wire: Wire, kernel: KernelProcess, whole: str
) -> None:
    pipe = wire.get("pipe", capacity=8)["pipe"]
    reader = idle(wire, kernel, stdin=pipe)
    wire.get("pipe_close", pipe=pipe, end="read")
    wire.get("kill", pid=reader, signal="STOP")
    writer = agent(wire, kernel, QUESTION, stdout=pipe)
    waits(wire, writer, f"room in pipe {pipe}")
    end(wire, reader)
    ended = wire.get("wait", pid=writer)
    assert ended["status"] == 141
    assert whole.startswith(ended["output"])
    refused = wire.ask("pipe_write", pipe=pipe, text="anybody there?")
    assert refused["error"]["code"] == "EPIPE"
