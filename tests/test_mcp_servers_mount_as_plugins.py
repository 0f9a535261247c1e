"""MCP servers are mounted as plugins are: their tools, resources and prompts are syscalls."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

import npm
from harness import KernelProcess
from llmos.syscalls.errno import EINVAL, EIO, ENOENT, ENOSYS, ETIME
from mounting import becomes, mounting, wayward, write


async def test_the_everything_server(tmp_path: Path) -> None:
    """npm's server that exercises all of the protocol."""
    async with mounting(tmp_path, {"all": npm.server("everything")}) as mounts:
        record = mounts.table.records()[0]
        assert (record.name, record.error) == ("all", "")
        assert {"all.echo", "all.get-sum", "all.read_resource"} <= {*record.syscalls}

        spec = mounts.syscalls.lookup("all.get-sum").spec
        assert spec.summary == "Returns the sum of two numbers"
        assert spec.parameters["required"] == ["a", "b"]
        assert spec.effect == "pure", "the server says that it is read-only"
        assert await mounts.call("all.get-sum", a=17, b=25) == "The sum of 17 and 25 is 42."
        with pytest.raises(EINVAL, match='b: expected a number, got "2"'):
            await mounts.call("all.get-sum", a=1, b="2")
        with pytest.raises(EINVAL, match="a: expected a number, got nothing"):
            await mounts.call("all.get-sum", b=2)
        with pytest.raises(ENOSYS, match=r"no syscall all\.get-summ"):
            await mounts.call("all.get-summ")

        assert "image/png" in await mounts.call("all.get-tiny-image")
        resources = await mounts.call("all.list_resources")
        assert "demo://resource/static/document/features.md" in resources
        uri = "demo://resource/static/document/features.md"
        assert "# Everything Server" in await mounts.call("all.read_resource", uri=uri)
        with pytest.raises(ENOENT):
            await mounts.call("all.read_resource", uri="demo://nothing")

        assert "args-prompt(city, state?)" in await mounts.call("all.list_prompts")
        given = {"city": "Rome"}
        prompt = await mounts.call("all.get_prompt", name="args-prompt", arguments=given)
        assert "Rome" in prompt

        with pytest.raises(ETIME, match=r"ran longer than 0\.5 s"):
            await mounts.call("all.trigger-long-running-operation", timeout_s=0.5, duration=60)
        assert await mounts.call("all.echo", message="still there") == "Echo: still there"


async def test_the_filesystem_server(tmp_path: Path) -> None:
    """npm's server that people use first."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "notes.txt").write_text("one\ntwo\n")
    async with mounting(tmp_path, {"fs": npm.server("filesystem", str(folder))}) as mounts:
        path = str(folder / "notes.txt")
        assert await mounts.call("fs.read_text_file", path=path, head=1) == "one"
        await mounts.call("fs.write_file", path=str(folder / "new.txt"), content="three")
        assert (folder / "new.txt").read_text() == "three"
        with pytest.raises(EIO, match="outside allowed directories"):
            await mounts.call("fs.read_text_file", path="/etc/passwd")
        assert mounts.syscalls.lookup("fs.write_file").spec.effect == "idempotent"


async def test_over_streamable_http(tmp_path: Path) -> None:
    """A server that runs already, by its URL; when it comes back after it was gone, so do we."""
    entry = npm.server("everything", "streamableHttp")
    port = _free_port()
    assert isinstance(entry["args"], list)

    def run() -> subprocess.Popen[bytes]:
        command = [str(entry["command"]), *map(str, entry["args"])]  # type: ignore[call-overload]
        log = (tmp_path / "server.log").open("ab")
        return subprocess.Popen(
            command, env=os.environ | {"PORT": str(port)}, stdout=log, stderr=log
        )

    server = run()
    try:
        far = {"url": f"http://127.0.0.1:{port}/mcp"}
        async with mounting(tmp_path, {"far": far}) as mounts:
            await becomes(lambda: mounts.mounted().state == "up")
            assert await mounts.call("far.echo", message="hi") == "Echo: hi"
            server.kill()
            server.wait()
            with pytest.raises(EIO):
                await mounts.call("far.echo", message="hi")
            server = run()
            await becomes(lambda: mounts.mounted().restarts and mounts.mounted().state == "up")
            assert await mounts.call("far.echo", message="again") == "Echo: again"
    finally:
        server.kill()
        server.wait()


async def test_settings_are_live(tmp_path: Path) -> None:
    """A server that is written into the file is there, one that is taken out is gone."""
    async with mounting(tmp_path) as mounts:
        assert mounts.table.records() == []
        write(mounts.file, {"mcpServers": {"far": wayward(tmp_path / "far")}})
        await becomes(lambda: mounts.syscalls.find("far.echo"))
        assert await mounts.call("far.echo", text="hi") == "hi"
        pid = int(await mounts.call("far.pid"))
        write(mounts.file, {"mcpServers": {}})
        await becomes(lambda: not mounts.syscalls.find("far.echo"))
        await becomes(lambda: not Path(f"/proc/{pid}").exists())


async def test_many_calls_at_once(tmp_path: Path) -> None:
    async with mounting(tmp_path, {"far": wayward(tmp_path / "far")}) as mounts:
        texts = [f"text {number}" for number in range(200)]
        assert (
            await asyncio.gather(*(mounts.call("far.echo", text=text) for text in texts)) == texts
        )


async def test_what_is_approved_is_there_before_its_server(tmp_path: Path) -> None:
    """At the next boot nobody waits for servers: what they offered is known, and a call waits."""
    async with mounting(tmp_path, {"far": wayward(tmp_path / "far")}) as mounts:
        assert await mounts.call("far.echo", text="first") == "first"
    async with mounting(tmp_path) as mounts:
        assert mounts.mounted().state == "starting"
        assert mounts.syscalls.find("far.echo")
        assert await mounts.call("far.echo", text="second") == "second"


STRANGE = {
    "type": "object",
    "$defs": {"word": {"type": "string", "pattern": r"^(?=.*\d)\w+\b$"}},
    "properties": {
        "word": {"$ref": "#/$defs/word"},
        "code": {"type": "string", "pattern": r"^(a)\1\p{L}$"},
        "pattern": {"type": "string", "format": "no-such-format"},
        "few": {"type": "array", "uniqueItems": True, "items": {"multipleOf": 3}},
        "any": {"anyOf": [{"type": "integer"}, {"not": {"type": "null"}}]},
    },
    "patternProperties": {r"^\p{Lu}": {"type": "string"}},
    "dependentRequired": {"word": ["code"]},
}


async def test_arguments_are_held_against_all_of_a_strange_schema(tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    (far / "schema").write_text(json.dumps(STRANGE | {"patternProperties": {}}))
    async with mounting(tmp_path, {"far": wayward(far)}) as mounts:
        with pytest.raises(EINVAL, match="word"):
            await mounts.call("far.strange", word="no digit", code="aaé")
        with pytest.raises(EINVAL, match="few"):
            await mounts.call("far.strange", few=[3, 3])
        (far / "schema").write_text('{"type": "object", "$ref": "https://elsewhere.test/"}')
        await mounts.call("far.change")
        await becomes(lambda: "which is not in it" in "\n".join(mounts.mounted().output))
        assert mounts.mounted().error == "", "one that is left out is as one that is gone"


def test_an_agent_of_the_pilots_calls_them(kernel: KernelProcess) -> None:
    """On the real engine, its arguments constrained by the server's schema."""
    write(kernel.mounts, {"mcpServers": {"everything": npm.server("everything")}})
    try:
        _wait_for(kernel, "everything.echo")
        task = 'Use everything__echo with the message "good morning".'
        run = kernel.llmos("run", "--json", "--tools", "everything.echo,now", task)
        document = json.loads(run.stdout)
        assert "good morning" in document["output"], run.stderr
        pages = kernel.llmos("logs", "--json", str(document["pid"])).stdout
        calls = [call for page in json.loads(pages)["pages"] for call in page["calls"]]
        assert calls == [{"name": "everything.echo", "arguments": '{"message": "good morning"}'}]
    finally:
        kernel.mounts.unlink()


def test_a_strange_schema_takes_nobodys_turn(kernel: KernelProcess) -> None:
    """What no grammar can be made of is left out of what the engine is told."""
    far = kernel.folder / "strange"
    far.mkdir()
    (far / "schema").write_text(json.dumps(STRANGE))
    write(kernel.mounts, {"mcpServers": {"far": wayward(far)}})
    try:
        _wait_for(kernel, "far.strange")
        run = kernel.llmos("run", "--tools", "far.strange,calculate", "what is 6 * 7")
        assert (run.returncode, "42" in run.stdout) == (0, True), run.stderr
    finally:
        kernel.mounts.unlink()


def _wait_for(kernel: KernelProcess, name: str) -> None:
    """Until the kernel has seen the file and the server has come up."""
    asyncio.run(becomes(lambda: kernel.llmos("man", name).returncode == 0, 60))


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
