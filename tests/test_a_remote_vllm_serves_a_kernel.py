"""The main job on a real server of vLLM's, over HTTP: tools, signals, crashes of both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness import KernelProcess, Wire
from real import QUESTION, calls, end, idle, process, say, speaks, turn, until
from vllm_server import KEY, VllmServer, vllm_server


@pytest.fixture(scope="module")
def server() -> Iterator[VllmServer]:
    with vllm_server() as server:
        yield server.ready()


@contextmanager
def kernel_on(*options: str, key: str = KEY) -> Iterator[KernelProcess]:
    os.environ["THE_KEY"] = key
    kernel = KernelProcess("--driver=openai", "--key-env=THE_KEY", "--temperature=0", *options)
    try:
        (kernel.root / "notes.txt").write_text("Anna: bread and milk")
        yield kernel.start()
    finally:
        os.environ.pop("THE_KEY", None)
        kernel.close()


@pytest.fixture(scope="module")
def kernel(server: VllmServer) -> Iterator[KernelProcess]:
    """On the server under two names: as far as it can tell, these are two."""
    same = server.endpoint.replace("127.0.0.1", "localhost")
    with kernel_on(f"--endpoint={server.endpoint}", f"--endpoint={same}") as kernel:
        yield kernel.ready()


def whole_answer(wire: Wire, kernel: KernelProcess) -> str:
    pid = idle(wire, kernel)
    text = say(wire, pid, QUESTION)
    end(wire, pid)
    return text


def test_the_main_job(kernel: KernelProcess, wire: Wire) -> None:
    pid = idle(wire, kernel)
    assert "notes.txt" in say(wire, pid, "list the files here")
    assert "bread and milk" in say(wire, pid, "read notes.txt")
    assert say(wire, pid, "what is 37 * 12") == "37 * 12 = 444"
    assert "notes.txt" in say(wire, pid, "start a helper that lists the files")
    assert [name for name, _, _ in calls(wire, pid)][:3] == ["list_files", "read_file", "calculate"]
    usage = process(wire, pid)["usage"]
    assert usage["tokens_cached"] > usage["tokens_in"] / 2, "it comes back to where its prefix is"
    end(wire, pid)


def test_an_answer_comes_word_by_word_and_is_what_its_page_holds(
    kernel: KernelProcess, wire: Wire
) -> None:
    pid = idle(wire, kernel)
    wire.get("send", pid=pid, text=QUESTION)
    pieces: list[str] = []
    while (event := wire.read())["event"] != "turn":
        pieces += [event["text"]] if event["event"] == "text" else []
    end(wire, pid)
    assert "".join(pieces) == event["text"]
    assert len(pieces) > 10


def test_tokens_are_counted_as_the_server_counts_them(kernel: KernelProcess, wire: Wire) -> None:
    engine = wire.get("status")
    servers = engine["engine"]["servers"]
    assert [one["state"] for one in servers] == ["up", "up"]
    for field in ("tokens_in", "tokens_cached", "tokens_out"):
        assert sum(one[field] for one in servers) == engine["usage"][field], field
    assert all(one["requests"] for one in servers), "both are used"


def running(wire: Wire) -> int:
    """Requests that are on a server."""
    return sum(one["running"] for one in wire.get("status")["engine"]["servers"])


def test_a_stopped_answer_goes_on_to_the_same_words(kernel: KernelProcess, wire: Wire) -> None:
    whole = whole_answer(wire, kernel)
    pid = idle(wire, kernel)
    wire.get("send", pid=pid, text=QUESTION)
    speaks(wire, pid)
    wire.get("kill", pid=pid, signal="STOP")
    until(lambda: process(wire, pid)["state"] == "stopped")
    assert running(wire) == 0
    wire.get("kill", pid=pid, signal="CONT")
    assert turn(wire, pid)["text"] == whole
    wire.get("send", pid=pid, text=QUESTION)
    speaks(wire, pid)
    assert end(wire, pid)["status"] == 137
    until(lambda: running(wire) == 0)


def test_kill_9_of_the_kernel_loses_nothing(server: VllmServer) -> None:
    with kernel_on(f"--endpoint={server.endpoint}") as kernel:
        kernel.ready()
        with kernel.wire() as wire:
            told = idle(wire, kernel)
            assert "notes.txt" in say(wire, told, "list the files here")
            pids = [
                wire.get("spawn", task=f"what is {number} * 12", root=str(kernel.root))["pid"]
                for number in range(30, 36)
            ]
        kernel.kill9()
        kernel.start()
        with kernel.wire() as wire:
            ended = [wire.get("wait", pid=pid) for pid in pids]
            wire.get("attach", pid=told)
            assert "bread and milk" in say(wire, told, "read notes.txt")
    assert [one["output"] for one in ended] == [f"{n} * 12 = {n * 12}" for n in range(30, 36)]


@pytest.mark.parametrize(
    ("option", "key", "words"),
    [
        ("--model=pilot", "wrong", "does not take the key (401): is it the one of this server?"),
        ("--model=pilto", KEY, "has no model pilto; there are: pilot"),
    ],
)
def test_what_is_wrong_is_told(server: VllmServer, option: str, key: str, words: str) -> None:
    with (
        kernel_on(f"--endpoint={server.endpoint}", option, key=key) as kernel,
        kernel.wire() as wire,
    ):
        until(lambda: wire.get("status")["engine"]["state"] == "failed")
        assert words in wire.get("status")["engine"]["detail"]


def test_a_server_that_is_killed_and_started_again_costs_nothing_but_the_delay(
    kernel: KernelProcess, server: VllmServer, wire: Wire
) -> None:
    whole = whole_answer(wire, kernel)
    pid = idle(wire, kernel)
    wire.get("send", pid=pid, text=QUESTION)
    speaks(wire, pid)
    server.kill()
    until(lambda: wire.get("status")["engine"]["state"] == "restarting")
    server.launch()
    assert turn(wire, pid)["text"] == whole
    assert wire.get("status")["engine"]["state"] == "ready"
    end(wire, pid)
