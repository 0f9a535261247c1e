"""An MCP server with no manners, in the standard library alone: `python wayward.py FOLDER`.

What it is to do wrong is in files of the folder, so that it can change while it runs: `banner` is
printed at the start, `description` is what it says of its tool `echo`, `extra` is one more tool,
`schema` what one called `strange` takes. It notes in `cancelled` what was called off, and ignores
that its input has ended if there is a file `deaf`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
NOTHING = {"type": "object", "properties": {}}
_out = os.dup(1)


def say(message: dict[str, Any]) -> None:
    os.write(_out, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def told(name: str, default: str = "") -> str:
    file = FOLDER / name
    return file.read_text() if file.exists() else default


def tools() -> list[dict[str, Any]]:
    calls = ("crash", "hang", "env", "flood", "child", "pid", "change", "fail", "progress")
    found = [{"name": name, "inputSchema": NOTHING} for name in calls]
    found.append(
        {"name": "echo", "description": told("description", "Say it."), "inputSchema": TEXT}
    )
    found.append(
        {
            "name": "long",
            "inputSchema": {"type": "object", "properties": {"length": {"type": "integer"}}},
        }
    )
    if extra := told("extra"):
        found.append({"name": extra, "inputSchema": NOTHING})
    if schema := told("schema"):
        found.append({"name": "strange", "inputSchema": json.loads(schema)})
    return found


def call(name: str, given: dict[str, Any], meta: dict[str, Any]) -> str | None:
    if name == "echo":
        return str(given["text"])
    if name == "long":
        return "x" * int(given["length"])
    if name == "env":
        return json.dumps(dict(os.environ))
    if name == "pid":
        return str(os.getpid())
    if name == "crash":
        print("I cannot go on", file=sys.stderr, flush=True)
        os._exit(7)
    if name == "flood":
        while True:
            os.write(_out, b"x" * (1 << 20))
    if name == "child":
        nap = [sys.executable, "-c", "import time; time.sleep(1000)"]
        return str(subprocess.Popen(nap, stdin=subprocess.DEVNULL).pid)
    if name == "change":
        say({"method": "notifications/tools/list_changed"})
        return "changed"
    if name == "progress":
        for done in (1, 2):
            params = {"progressToken": meta.get("progressToken"), "progress": done, "total": 2}
            say(
                {"method": "notifications/progress", "params": params | {"message": f"step {done}"}}
            )
        return "there"
    return None


def answer(number: object, method: str, params: dict[str, Any]) -> None:
    if method == "initialize":
        result: dict[str, Any] = {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "wayward", "version": "1"},
        }
    elif method == "tools/list":
        result = {"tools": tools()}
    elif method == "tools/call":
        (FOLDER / "called").write_text(params["name"])
        if params["name"] == "fail":
            content = [{"type": "text", "text": "it is broken"}]
            say({"id": number, "result": {"content": content, "isError": True}})
            return
        text = call(params["name"], params.get("arguments") or {}, params.get("_meta") or {})
        if text is None:
            return  # it hangs
        result = {"content": [{"type": "text", "text": text}]}
    else:
        say({"id": number, "error": {"code": -32601, "message": f"no {method}"}})
        return
    say({"id": number, "result": result})


def main() -> None:
    if banner := told("banner"):
        print(banner, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if message["method"] == "notifications/cancelled":
            (FOLDER / "cancelled").write_text(json.dumps(message["params"]))
        if "id" in message:
            answer(message["id"], message["method"], message.get("params") or {})
    while (FOLDER / "deaf").exists():
        time.sleep(0.05)


if __name__ == "__main__":
    main()
