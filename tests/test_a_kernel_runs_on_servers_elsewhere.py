"""A kernel keeps its promises when its engine is a server that it knows little of."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness import KernelProcess, Wire
from llmos.kernel.command_line import parse
from openai_server import Answer, Body, FakeServer, Refusal, called, said, serving
from real import idle, pages, process, speaks, turn, until

WORDS = "one two three four five six"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(FakeServer()) as server:
        yield server


@contextmanager
def kernel_on(*servers: FakeServer, options: tuple[str, ...] = ()) -> Iterator[KernelProcess]:
    """Its engine is ready."""
    where = [f"--endpoint={server.endpoint}" for server in servers]
    kernel = KernelProcess("--driver=openai", *where, *options)
    try:
        yield kernel.start().ready()
    finally:
        kernel.close()


class Held:
    """A script that says two words, so slowly that they are saved, and the rest when it is let go;
    or all of the rest, if it is given a beginning."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, body: Body, number: int) -> Answer:
        if body["messages"][-1]["role"] == "assistant":
            return said("three four five six")
        if number:
            return said(WORDS)
        return ["one ", 0.4, "two ", lambda: self.go.wait(60), *["x " for _ in range(1000)]]


LIKE_VLLM = {"id": "fake", "owned_by": "vllm"}
BEGUN = {"role": "assistant", "content": "one two "}


def test_a_call_is_made_and_its_result_is_sent(server: FakeServer) -> None:
    def script(body: Body, number: int) -> Answer:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return said(f"it is {last['content']}")
        piece = {"index": 0, "id": "a", "function": {"name": "calculate", "arguments": ""}}
        rest = {"index": 0, "function": {"arguments": '{"expression": "37 * 12"}'}}
        return called([piece], [rest])

    server.script = script
    with kernel_on(server) as kernel:
        assert kernel.llmos("run", "what is 37 * 12").stdout == "it is 444\n"
        status = json.loads(kernel.llmos("status", "--json").stdout)
        shown = kernel.llmos("status").stdout
    (one,) = status["engine"]["servers"]
    assert (one["endpoint"], one["state"], one["requests"]) == (server.endpoint, "up", 2)
    assert one["tokens_in"] == status["usage"]["tokens_in"] > 0
    assert f"server     {server.endpoint}: up, 0 running, 2 requests" in shown
    first, second = server.asked
    assert "calculate" in {tool["function"]["name"] for tool in first["tools"]}
    assert second["messages"][-2]["tool_calls"][0]["id"] == second["messages"][-1]["tool_call_id"]


def test_a_conversation_outlives_a_window_that_only_the_server_knows(server: FakeServer) -> None:
    window, lengths, refused = 1200, list[int](), list[int]()

    def script(body: Body, number: int) -> Answer:
        num_tokens = len(json.dumps([body["messages"], body.get("tools")])) // 2
        if num_tokens > window:
            refused.append(num_tokens)
            return Refusal(
                400,
                f"This model's maximum context length is {window} tokens. However, your messages"
                f" resulted in {num_tokens} tokens.",
            )
        lengths.append(num_tokens)
        return said("a word " * 20, num_tokens)

    server.script = script
    with kernel_on(server, options=("--recall-tokens=0",)) as kernel, kernel.wire() as wire:
        pid = idle(wire, kernel, "calculate")
        for number in range(25):
            wire.get("send", pid=pid, text=f"message {number} " + "and so on " * 15)
            assert turn(wire, pid)["status"] == "done"
        table = wire.get("pages", pid=pid)["pages"]
    assert max(lengths) <= window < sum(lengths) / 5
    assert 0 < len(refused) <= 3, "once told, the kernel knows it"
    assert len(table) == 50 and any(page["left"] is not None for page in table)


def test_a_stopped_answer_frees_the_server_and_goes_on(server: FakeServer) -> None:
    server.models, server.script = [LIKE_VLLM], (script := Held())
    with kernel_on(server) as kernel, kernel.wire() as wire:
        pid = idle(wire, kernel)
        wire.get("send", pid=pid, text="count")
        speaks(wire, pid)
        until(lambda: heard(wire) == "one two ")
        wire.get("kill", pid=pid, signal="STOP")
        until(lambda: process(wire, pid)["state"] == "stopped")
        script.go.set()
        assert server.hung_up.wait(10)
        wire.get("kill", pid=pid, signal="CONT")
        assert turn(wire, pid)["text"] == WORDS
    assert server.asked[1]["messages"][-1] == BEGUN


def heard(wire: Wire) -> str:
    """What was said so far, but for the first piece, which `speaks` has taken."""
    wire.get("status")
    return "one " + "".join(event["text"] for event in wire.events if event["event"] == "text")


def test_an_answer_goes_on_after_kill_9_of_the_kernel(server: FakeServer) -> None:
    server.models, server.script = [LIKE_VLLM], Held()
    with kernel_on(server) as kernel:
        with kernel.wire() as wire:
            pid = wire.get("spawn", task="count", root=str(kernel.root))["pid"]
            until(lambda: draft_is_saved(kernel))
        kernel.kill9()
        kernel.start()
        with kernel.wire() as wire:
            ended = wire.get("wait", pid=pid)
    assert (ended["status"], ended["output"]) == (0, WORDS)
    assert server.asked[1]["messages"][-1] == BEGUN


def draft_is_saved(kernel: KernelProcess) -> bool:
    with sqlite3.connect(f"file:{kernel.state_dir}/llmos.db?mode=ro", uri=True) as connection:
        return connection.execute("SELECT text FROM draft").fetchall() == [("one two ",)]


def test_a_server_that_cannot_go_on_answers_anew_and_shows_no_word_twice(
    server: FakeServer,
) -> None:
    server.script = (script := Held())
    with kernel_on(server) as kernel, kernel.wire() as wire:
        pid = idle(wire, kernel)
        wire.get("send", pid=pid, text="count")
        speaks(wire, pid)
        until(lambda: heard(wire) == "one two ")
        wire.get("kill", pid=pid, signal="STOP")
        script.go.set()
        wire.get("kill", pid=pid, signal="CONT")
        until(lambda: heard(wire) == WORDS)
        assert turn(wire, pid)["text"] == WORDS
        assert pages(wire, pid)[-1]["num_tokens"] == 6


def test_work_waits_for_a_server_that_is_away(server: FakeServer) -> None:
    away = FakeServer()
    with serving(away):
        kernel = KernelProcess("--driver=openai", f"--endpoint={away.endpoint}")
        kernel.start().ready()
    try:
        with kernel.wire() as wire:
            pid = wire.get("spawn", task="say it", root=str(kernel.root))["pid"]
            until(lambda: wire.get("status")["engine"]["state"] == "restarting")
            engine = wire.get("status")["engine"]
            assert wire.get("why", pid=pid)["waits_for"] in ("engine", "nothing")
            with serving(away, away.port):
                ended = wire.get("wait", pid=pid, timeout_s=30)
        assert ended["output"] == "well"
        until(lambda: "connection refused" in kernel.log.read_text())
        assert engine["restarts"] == 1
    finally:
        kernel.close()


def test_the_key_is_nowhere_but_in_memory(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-proj-0123456789"
    monkeypatch.setenv("THE_KEY", key)
    server.key = key
    server.script = lambda body, number: (
        said("well") if number else Refusal(400, f"Bearer {key} may not do this")
    )
    with kernel_on(server, options=("--key-env=THE_KEY",)) as kernel:
        refused = kernel.llmos("run", "say it")
        assert refused.returncode == 1 and "(the key) may not do this" in refused.stdout
        assert kernel.llmos("run", "say it").stdout == "well\n"
        shown = [refused.stdout, refused.stderr]
        for verb in (("ps", "-a"), ("status",), ("logs", "2"), ("scheduler",)):
            shown.append(kernel.llmos(*verb, "--json").stdout)
        command = Path(f"/proc/{kernel.os_pid}/cmdline").read_text()
        files = [file for file in kernel.folder.rglob("*") if file.is_file()]
        assert kernel.log in files
        assert not [file for file in files if key.encode() in file.read_bytes()]
    assert "THE_KEY" in command and key not in command
    assert not any(key in text for text in shown)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--endpoint=ftp://host/v1", "'ftp://host/v1' is no address like http://localhost:8000/v1"),
        ("--endpoint=http://me:secret@host/v1", "a key does not belong in an address"),
        ("--key-env=sk-secret", "takes the name of an environment variable"),
        ("--model=m", "--driver openai needs --endpoint URL"),
    ],
)
def test_bad_options_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([f"--state-dir={tmp_path}", "--driver=openai", option])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert words in told and "secret" not in told


def test_an_address_where_nobody_answers_is_told(own_kernel: KernelProcess) -> None:
    own_kernel.options = (
        "--driver=openai",
        "--endpoint=http://127.0.0.1:9",
        "--engine-arg=patience_s=0.1",
    )
    own_kernel.start()
    with own_kernel.wire() as wire:
        until(lambda: wire.get("status")["engine"]["state"] == "failed")
        detail: Any = wire.get("status")["engine"]["detail"]
    assert "http://127.0.0.1:9/v1 does not answer: connection refused" in detail
