"""`llmos mcp` serves the syscalls to any MCP client: here to the one of the `mcp` package."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, Implementation, TextContent, ToolListChangedNotification

from harness import KernelProcess
from mounting import becomes, mounting, wayward, write

SHOUT = """
from llmos import syscall

@syscall
def shout_{mode}(text: str) -> str:
    "Say a text in capital letters."
    return text.upper()
"""


@pytest.fixture(scope="module")
def served() -> Iterator[KernelProcess]:
    """A kernel with a server mounted, so that its tools are served on."""
    kernel = KernelProcess("--driver=simulated")
    write(kernel.mounts, {"mcpServers": {"far": wayward(kernel.folder / "far")}})
    try:
        yield kernel.start().ready()
    finally:
        kernel.close()


@asynccontextmanager
async def client_of(
    kernel: KernelProcess, hear: Any = None, mode: Any = "auto"
) -> AsyncIterator[Client]:
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "llmos", "mcp"], env=kernel.env, cwd=kernel.root
    )
    name = Implementation(name="tester", version="1")
    async with Client(command, client_info=name, message_handler=hear, mode=mode) as client:
        yield client


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def said(client: Client, name: str, /, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, text_of(result)
    return text_of(result)


async def refused(client: Client, name: str, /, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert result.is_error
    return text_of(result)


def pids(kernel: KernelProcess) -> dict[int, str]:
    with kernel.wire() as wire:
        return {one["pid"]: one["name"] for one in wire.get("ps")["processes"]}


async def test_the_syscalls_are_tools(served: KernelProcess) -> None:
    (served.root / "notes.txt").write_text("buy milk\n")
    async with client_of(served) as client:
        assert client.server_info is not None
        assert client.server_info.name == "llmos"
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"read_file", "spawn", "wait", "ask", "far__echo"} <= tools.keys()
        read = tools["read_file"]
        assert read.input_schema["required"] == ["path"]
        assert read.annotations is not None
        assert read.annotations.read_only_hint
        assert all(name.replace("-", "_").isidentifier() for name in tools)

        assert await said(client, "read_file", path="notes.txt") == "buy milk\n"
        assert await said(client, "calculate", expression="6 * 7") == "42"
        assert await said(client, "far__echo", text="through both") == "through both"
        missing = await refused(client, "read_file", path="note.txt")
        assert missing == "ENOENT: no such file: note.txt (did you mean notes.txt?)"
        assert "EINVAL: path: expected a string" in await refused(client, "read_file")
        assert "ENOSYS: no syscall reed_file" in await refused(client, "reed_file")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_plugin_that_is_saved_is_told_to_the_client(
    served: KernelProcess, mode: str
) -> None:
    """By either way that the protocol has had for it."""
    told = asyncio.Event()

    async def hear(message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            told.set()

    async def listen(client: Client) -> None:
        async with client.listen(tools_list_changed=True) as changes:
            async for _ in changes:
                told.set()

    served.plugins_dir.mkdir(parents=True, exist_ok=True)
    plugin = served.plugins_dir / f"shout_{mode}.py"
    async with client_of(served, hear, mode) as client, asyncio.timeout(60):
        before = {tool.name for tool in (await client.list_tools()).tools}
        listening = asyncio.create_task(listen(client)) if mode == "auto" else None
        plugin.write_text(SHOUT.format(mode=mode))
        await told.wait()
        after = {tool.name for tool in (await client.list_tools()).tools}
        assert after - before == {f"shout_{mode}"}
        assert await said(client, f"shout_{mode}", text="at once") == "AT ONCE"
        if listening is not None:
            listening.cancel()
    plugin.unlink()


async def test_a_kernel_that_mounts_another_one_hears_of_its_plugins(
    served: KernelProcess, tmp_path: Path
) -> None:
    command = {"command": sys.executable, "args": ["-m", "llmos", "mcp"], "env": served.env}
    served.plugins_dir.mkdir(parents=True, exist_ok=True)
    plugin = served.plugins_dir / "shout_far.py"
    async with mounting(tmp_path, {"near": command | {"cwd": str(served.root)}}) as mounts:
        await becomes(lambda: mounts.mounted("near").state == "up")
        plugin.write_text(SHOUT.format(mode="far"))
        await becomes(lambda: "near.shout_far" in mounts.mounted("near").error)
    plugin.unlink()


async def test_processes_are_started_below_the_session(served: KernelProcess) -> None:
    async with client_of(served) as client:
        child = int((await said(client, "spawn", task="count 5")).removeprefix("pid "))
        told = await said(client, "wait", pid=child)
        assert told == f"pid {child} exited with status 0: 1 2 3 4 5"
        await said(client, "spawn", task="call receive {}")
        listed = {info.name: info for info in _processes(served)}
        assert listed["call receive {}"].parent == listed["tester (mcp)"].pid


async def test_an_agent_is_asked_and_remembers(served: KernelProcess) -> None:
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with client_of(served) as client:
        result = await client.call_tool("ask", {"prompt": "count 30"}, progress_callback=hear)
        numbers = " ".join(map(str, range(1, 31)))
        pid = int(text_of(result).split()[1])
        assert text_of(result) == f"pid {pid} says: {numbers}"
        assert numbers.startswith("".join(heard))
        assert heard
        assert (
            await said(client, "ask", prompt="hello", pid=pid) == f"pid {pid} says: You said: hello"
        )
        assert "ECHILD: process 1 is no agent" in await refused(client, "ask", prompt="x", pid=1)
        assert "EINVAL: prompt" in await refused(client, "ask", prompt=" ")


async def test_how_far_a_call_is_comes_through(served: KernelProcess) -> None:
    """From the mounted server to the client, and to whoever watches."""
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async with client_of(served) as client:
        result = await client.call_tool("far__progress", {}, progress_callback=hear)
        assert text_of(result) == "there"
        await becomes(lambda: heard == ["1 of 2: step 1", "2 of 2: step 2"])


async def test_a_client_that_leaves_takes_along_what_it_started(served: KernelProcess) -> None:
    before = pids(served)
    async with client_of(served) as client:
        await said(client, "spawn", task="call receive {}")
        await said(client, "ask", prompt="hello")
        assert len(pids(served)) == len(before) + 3
    await becomes(lambda: pids(served) == before)


async def test_what_is_called_off_is_called_off_at_the_far_end(served: KernelProcess) -> None:
    far = served.folder / "far"
    async with client_of(served) as client:
        call = asyncio.create_task(client.call_tool("far__hang", {}))
        await becomes(lambda: (far / "called").exists() and "hang" in (far / "called").read_text())
        call.cancel()
        await becomes(lambda: (far / "cancelled").exists())
        assert await said(client, "far__echo", text="hi") == "hi"


async def test_a_guest_makes_no_calls_about_a_conversation(served: KernelProcess) -> None:
    async with client_of(served) as client:
        for name in ("exec", "fork"):
            assert "ENOSYS" in await refused(client, name, task="x")


async def test_the_session_goes_on_after_a_restart_of_the_kernel(
    own_kernel: KernelProcess,
) -> None:
    own_kernel.start().ready()
    async with client_of(own_kernel) as client:
        assert await said(client, "calculate", expression="1 + 1") == "2"
        own_kernel.kill9()
        assert "ENOKERNEL" in await refused(client, "calculate", expression="1 + 1")
        own_kernel.start().ready()
        assert await said(client, "calculate", expression="1 + 2") == "3"
        # The guest of before has no client, and ends.
        await becomes(lambda: list(pids(own_kernel).values()) == ["init", "tester (mcp)"])


def test_stdout_is_the_protocol_alone(served: KernelProcess) -> None:
    """And it works with the handshake that clients make today."""
    asked: list[dict[str, Any]] = [
        {
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "plain", "version": "1"},
            },
        },
        {"method": "notifications/initialized"},
        {
            "id": 2,
            "method": "tools/call",
            "params": {"name": "calculate", "arguments": {"expression": "2 * 21"}},
        },
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "llmos", "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=served.env,
        cwd=served.root,
        text=True,
    ) as gateway:
        assert gateway.stdin is not None
        assert gateway.stdout is not None
        answers = []
        for message in asked:
            gateway.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            gateway.stdin.flush()
            if "id" in message:
                answers.append(json.loads(gateway.stdout.readline()))
        gateway.stdin.close()
        assert gateway.stdout.read() == ""
        assert gateway.wait(30) == 0
    assert [answer["id"] for answer in answers] == [1, 2]
    assert answers[1]["result"]["content"][0]["text"] == "42"


def test_it_boots_the_kernel_if_need_be() -> None:
    kernel = KernelProcess()
    try:
        run = kernel.llmos("mcp", "--driver", "simulated", input="")
        assert (run.returncode, run.stdout) == (0, "")
        assert kernel.llmos("halt").returncode == 0
    finally:
        kernel.close()


async def test_with_the_real_engine(kernel: KernelProcess) -> None:
    """An agent of the pilot's, asked by a client over MCP."""
    (kernel.root / "menu.txt").write_text("soup and bread")
    async with client_of(kernel) as client:
        answer = await said(client, "ask", prompt="Read menu.txt")
        assert "soup and bread" in answer


def _processes(kernel: KernelProcess) -> list[Any]:
    from types import SimpleNamespace

    with kernel.wire() as wire:
        return [SimpleNamespace(**one) for one in wire.get("ps")["processes"]]
