"""A kernel in words only: it speaks the protocol of `kernel/messages/`, and its agents do what
their messages say, at once and the same way each time.

For what a real kernel cannot be made to do on demand: to die within a turn, to send escape
sequences, to load for as long as a test needs. `python fake_kernel.py SOCKET [STATE]`.

    say WORDS     answers WORDS          slow N      N words, 50 ms apart
    raw HEX       answers those bytes    tool        a syscall that works, one that fails
    fail          the turn fails         die         the kernel dies within the turn
    bits          answers what is in the file `text` of its folder, a few letters at a time; at each
                  ␞ it makes the file `go` and waits until that is gone
    labour N      N syscalls side by side, which take until `go` is gone
    big N         answers N thousand lines of Markdown at once
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

USAGE = {"tokens_in": 12, "tokens_cached": 3, "tokens_out": 5, "syscalls": 0, "engine_s": 0.1}

GREP = {
    "name": "grep",
    "plugin": "files",
    "summary": "Search files for a regular expression.",
    "description": "Search files for a regular expression.\n\nGives the matching lines.",
    "parameters": {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "description": "what to look for"},
            "path": {"type": "string", "default": "."},
            "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        },
        "required": ["pattern"],
    },
    "needs": "fs.read",
    "timeout_s": 30.0,
    "effect": "pure",
    "source": "plugins/files.py:12",
}


class Refused(Exception):
    """An error reply: code, message, hint."""


class Process:
    """What `ps` tells of a process, and its task."""

    def __init__(self, pid: int, name: str, interactive: bool) -> None:
        self.info: dict[str, Any] = {
            "pid": pid,
            "parent": 1,
            "state": "blocked",
            "program": "agent",
            "name": name,
            "interactive": interactive,
            "created": time.time(),
            "waits_for": "a message",
            "exit_status": None,
            "usage": USAGE,
            "group": pid,
            "session": pid,
            "nice": 0,
            "budget": None,
            "limits": {},
            "faults": 0,
            "evictions": 0,
            "thrashing": False,
            "level": None,
            "queued_s": 0.0,
            "blocks": 0,
        }
        self.output = self.said = ""
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.pages: list[dict[str, Any]] = []
        self.ended = asyncio.Event()
        self.watchers: set[asyncio.StreamWriter] = set()
        self.turn: asyncio.Task[None] | None = None

    def page(self, role: str, text: str, calls: list[dict[str, Any]] | None = None) -> None:
        self.pages.append(
            {
                "vpn": len(self.pages),
                "role": role,
                "text": text,
                "calls": calls or [],
                "num_tokens": len(text.split()),
                "resident": True,
                "created": time.time(),
            }
        )


class FakeKernel:
    """All requests, answered."""

    def __init__(self, state: str, folder: str) -> None:
        self.state = state
        self.go = Path(folder) / "go"
        self.processes: dict[int, Process] = {}
        self.next_pid = 2
        self.halted = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks = set()
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                task = asyncio.ensure_future(self.answer(json.loads(line), writer))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        for process in self.processes.values():
            process.watchers.discard(writer)

    async def answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        number = request.pop("id")
        op = request.pop("op")
        reply: dict[str, Any]
        try:
            result = await getattr(self, f"on_{op}")(writer=writer, **request)
            reply = {"id": number, "ok": True, "result": result}
        except Refused as refused:
            code, message, hint = refused.args
            error = {"code": code, "message": message, "hint": hint}
            reply = {"id": number, "ok": False, "error": error}
        _write(writer, reply)

    def find(self, pid: int) -> Process:
        if pid not in self.processes:
            raise Refused("ESRCH", f"no process {pid}", "ps lists those that there are")
        return self.processes[pid]

    # ---- requests -------------------------------------------------------------------------

    async def on_status(self, **_: Any) -> dict[str, Any]:
        return {
            "version": "0.1.0",
            "os_pid": os.getpid(),
            "state_dir": "/state",
            "uptime_s": 61.0,
            "processes": sum(p.info["exit_status"] is None for p in self.processes.values()),
            "usage": USAGE,
            "engine": {
                "driver": "fake",
                "model": "pilot",
                "state": self.state,
                "detail": "weights" if self.state == "loading" else "",
                "elapsed_s": 12.0,
                "running": 0,
                "waiting": 0,
                "tokens_per_s": 0.0,
                "restarts": 0,
            },
        }

    async def on_ps(self, **_: Any) -> dict[str, Any]:
        infos = [process.info for process in self.processes.values()]
        columns: dict[str, Any] = {
            name: [info[name] for info in infos] for name in Process(0, "", False).info
        }
        columns["usage"] = {name: [usage[name] for usage in columns["usage"]] for name in USAGE}
        return {"processes": columns}

    async def on_spawn(
        self,
        writer: asyncio.StreamWriter,
        task: str | None,
        name: str | None,
        interactive: bool,
        attach: bool,
        root: str,
        **given: Any,
    ) -> dict[str, Any]:
        pid, self.next_pid = self.next_pid, self.next_pid + 1
        process = self.processes[pid] = Process(pid, name or "agent", interactive)
        process.info.update(
            parent=given.get("parent", 1),
            nice=given.get("nice") or 0,
            budget=given.get("budget"),
            limits=given.get("limits", {}),
        )
        if attach:
            process.watchers.add(writer)
        if task is not None:
            await self.on_send(pid=pid, text=task)
        return {"pid": pid}

    async def on_fork(
        self,
        writer: asyncio.StreamWriter,
        pid: int,
        task: str | None,
        name: str | None,
        **given: Any,
    ) -> dict[str, Any]:
        parent = self.find(pid)
        return await self.on_spawn(
            writer,
            task=task or "say forked",
            name=name or parent.info["name"],
            interactive=bool(given.get("interactive")),
            attach=False,
            root="/",
            parent=pid,
            budget=given.get("budget"),
        )

    async def on_exec(self, pid: int, task: str, name: str | None, **_: Any) -> dict[str, Any]:
        process = self.find(pid)
        if process.turn is not None:
            process.turn.cancel()
        process.pages.clear()
        process.info.update(name=name or task)
        return await self.on_send(pid=pid, text=task)

    async def on_renice(self, pid: int, nice: int, **_: Any) -> dict[str, Any]:
        self.find(pid).info.update(nice=nice)
        return {}

    async def on_setpgid(self, pid: int, group: int | None, **_: Any) -> dict[str, Any]:
        self.find(pid).info.update(group=group or pid)
        return {"group": group or pid}

    async def on_setsid(self, pid: int, **_: Any) -> dict[str, Any]:
        self.find(pid).info.update(group=pid, session=pid)
        return {"session": pid}

    async def on_send(self, pid: int, text: str, **_: Any) -> dict[str, Any]:
        process = self.find(pid)
        process.turn = asyncio.ensure_future(self.turn(process, text))
        return {}

    async def on_attach(self, pid: int, writer: asyncio.StreamWriter) -> dict[str, Any]:
        process = self.find(pid)
        process.watchers.add(writer)
        missed = {"said": process.said, "num_pages": len(process.pages)}
        return {**process.info, **missed, "watchers": len(process.watchers)}

    async def on_detach(self, pid: int, writer: asyncio.StreamWriter) -> dict[str, Any]:
        self.find(pid).watchers.discard(writer)
        return {}

    async def on_kill(
        self, pid: int, signal: str, payload: str = "", to: str = "process", **_: Any
    ) -> dict[str, Any]:
        process = self.find(pid)
        children = [one for one in self.processes.values() if one.info["parent"] == pid]
        for one in [process, *children] if to == "tree" else [process]:
            await self.signal(one, signal, payload)
        return {}

    async def signal(self, process: Process, signal: str, payload: str) -> None:
        if signal == "USR1":
            await self.on_send(pid=process.info["pid"], text=payload)
        elif signal == "STOP":
            process.goes_on.clear()
            process.info.update(state="stopped", waits_for="")
            self.tell(process, event="state", state="stopped", waits_for="")
        elif signal == "CONT":
            self.go_on(process)
        else:
            self.break_off(process, signal)

    def go_on(self, process: Process) -> None:
        process.goes_on.set()
        busy = process.turn is not None and not process.turn.done()
        state = ("running", "") if busy else ("blocked", "a message")
        now = {"state": state[0], "waits_for": state[1]}
        process.info.update(now)
        self.tell(process, event="state", **now)

    def break_off(self, process: Process, signal: str) -> None:
        if process.turn is not None and not process.turn.done():
            process.turn.cancel()
            if signal == "INT" and process.info["interactive"]:
                self.tell(process, event="turn", status="interrupted", **_TURN)
        if signal != "INT" or not process.info["interactive"]:
            status = {"INT": 130, "TERM": 143, "KILL": 137, "XCPU": 152}[signal]
            self.end(process, status, "")

    async def on_wait(self, pid: int, timeout_s: float | None = None, **_: Any) -> dict[str, Any]:
        process = self.find(pid)
        try:
            await asyncio.wait_for(process.ended.wait(), timeout_s)
        except TimeoutError:
            raise Refused("ETIME", f"process {pid} still runs", "") from None
        del self.processes[pid]
        status = process.info["exit_status"]
        return {"pid": pid, "status": status, "output": process.output, "usage": USAGE}

    async def on_logs(self, pid: int, **_: Any) -> dict[str, Any]:
        return {"pages": self.find(pid).pages}

    async def on_plugins(self, **_: Any) -> dict[str, Any]:
        good = {"name": "files", "origin": "built in", "version": "0.1.0", "load_ms": 3.0}
        bad = {"name": "broken", "origin": "broken.py", "version": "", "load_ms": 0.0}
        return {
            "plugins": [
                {**good, "syscalls": ["grep"], "error": ""},
                {**bad, "syscalls": [], "error": "broken.py:3: SyntaxError: invalid syntax"},
            ]
        }

    async def on_syscalls(self, name: str | None = None, **_: Any) -> dict[str, Any]:
        if name not in (None, "grep"):
            raise Refused("ENOSYS", f"no syscall {name!r}", "")
        return {"syscalls": [GREP]}

    async def on_halt(self, **_: Any) -> dict[str, Any]:
        asyncio.get_running_loop().call_later(0.05, self.halted.set)
        return {}

    # ---- agents ---------------------------------------------------------------------------

    async def turn(self, process: Process, text: str) -> None:
        await process.goes_on.wait()
        process.page("user", text)
        process.info.update(state="running", waits_for="")
        self.tell(process, event="state", state="running", waits_for="")
        while self.state == "loading":
            await asyncio.sleep(0.05)
        verb, _, rest = text.partition(" ")
        answer, status = rest, "done"
        if verb == "raw":
            answer = bytes.fromhex(rest).decode("utf-8", "surrogatepass")
        elif verb == "slow":
            answer = await self.slowly(process, int(rest.split()[0]))
        elif verb == "tool":
            await self.calls(process)
            answer = "two calls"
        elif verb == "bits":
            answer = await self.in_bits(process, self.go.with_name("text").read_text())
        elif verb == "labour":
            await self.work(process, int(rest))
            answer = "worked"
        elif verb == "big":
            answer = "".join(f"line *{number}* of many\n\n" for number in range(int(rest) * 1000))
        elif verb == "fail":
            answer, status = "(no answer after 8 steps)", "failed"
        elif verb == "die":
            self.tell(process, event="text", text="last wo")
            await asyncio.sleep(0.1)
            os._exit(1)
        elif verb != "say":
            answer = f"you said: {text}"
        if verb not in ("slow", "bits") and status == "done":
            self.tell(process, event="text", text=answer)
        process.page("assistant", answer)
        process.said = ""
        self.tell(process, event="turn", status=status, **{**_TURN, "text": answer})
        process.info.update(state="blocked", waits_for="a message")
        self.tell(process, event="state", state="blocked", waits_for="a message")
        if not process.info["interactive"]:
            self.end(process, 0 if status == "done" else 1, answer)

    async def slowly(self, process: Process, num_words: int) -> str:
        words = []
        for number in range(num_words):
            await process.goes_on.wait()
            words.append(f"word{number} ")
            process.said += words[-1]
            self.tell(process, event="text", text=words[-1])
            await asyncio.sleep(0.05)
        return "".join(words)

    async def in_bits(self, process: Process, text: str) -> str:
        for number, part in enumerate(text.split("␞")):
            if number:
                await self.gate()
            for at in range(0, len(part), 3):
                self.tell(process, event="text", text=part[at : at + 3])
                await asyncio.sleep(0)
        return text

    async def gate(self) -> None:
        """Until the test takes the file away."""
        self.go.touch()
        while self.go.exists():
            await asyncio.sleep(0.01)

    async def work(self, process: Process, num_calls: int) -> None:
        calls = [{"call_id": str(n), "name": f"work_{n}"} for n in range(num_calls)]
        for call in calls:
            self.tell(process, event="call", arguments={"text": "long " * 40}, **call)
        await self.gate()
        for call in reversed(calls):
            result = {"ok": True, "text": f"done\nby {call['name']}", "duration_s": 2.5}
            self.tell(process, event="result", **result, **call)

    async def calls(self, process: Process) -> None:
        for name, arguments, ok, result in (
            ("list_files", {"path": "."}, True, "a.txt"),
            ("read_file", {"path": "nope"}, False, "ENOENT: no such file\nmore"),
        ):
            call = {"call_id": name, "name": name}
            process.page("assistant", "", [{**call, "arguments": json.dumps(arguments)}])
            self.tell(process, event="call", arguments=arguments, **call)
            await asyncio.sleep(0.01)
            self.tell(process, event="result", ok=ok, text=result, duration_s=0.012, **call)
            process.page("tool", result)

    def end(self, process: Process, status: int, output: str) -> None:
        process.info.update(state="zombie", waits_for="", exit_status=status)
        process.output = output
        self.tell(process, event="exit", status=status, output=output)
        process.ended.set()

    def tell(self, process: Process, **event: Any) -> None:
        for writer in process.watchers:
            _write(writer, {"pid": process.info["pid"], **event})


_TURN = {"text": "", "tokens_out": 5, "duration_s": 0.1}


def _write(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(message).encode() + b"\n")


async def main(path: str, state: str = "ready", ready_after_s: str = "0") -> None:
    kernel = FakeKernel(state, os.path.dirname(path))
    if float(ready_after_s):
        loop = asyncio.get_running_loop()
        loop.call_later(float(ready_after_s), lambda: setattr(kernel, "state", "ready"))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    await asyncio.start_unix_server(kernel.serve, path, limit=1 << 21)
    await kernel.halted.wait()
    os.unlink(path)


class RunningFake:
    """A fake kernel in a process of its own, and the environment to reach it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.socket = folder / "kernel.sock"
        self.process = subprocess.Popen([sys.executable, __file__, str(self.socket), *options])
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LLMOS_")},
            "LLMOS_STATE_DIR": str(folder),
            "TERM": "xterm-256color",
            "NO_COLOR": "1",
        }
        while not self.socket.exists():
            assert self.process.poll() is None, "the fake kernel did not start"
            time.sleep(0.02)


@contextlib.contextmanager
def fake_kernel(*options: str) -> Iterator[RunningFake]:
    """For the length of a block. `options`: the engine's state, and after how many seconds it
    is ready."""
    with tempfile.TemporaryDirectory(prefix="llmos-") as folder:
        fake = RunningFake(Path(folder), *options)
        try:
            yield fake
        finally:
            fake.process.kill()
            fake.process.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
