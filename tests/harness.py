"""A real kernel in a folder of its own, and a plain client that speaks lines to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BOOT_TIMEOUT_S = 240.0


def rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """The processes of a reply to `ps`, which come by columns."""
    lists = [rows(one) if isinstance(one, dict) else one for one in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


class Wire:
    """One connection, a line at a time: what any client in any language would do."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._file.close()
        self._socket.close()

    def send_raw(self, line: bytes) -> None:
        self._socket.sendall(line)

    def read(self, timeout_s: float = 120.0) -> dict[str, Any]:
        """The next line, reply or event. Raises EOFError, TimeoutError."""
        self._socket.settimeout(timeout_s)
        line = self._file.readline()
        if not line:
            raise EOFError("the kernel closed the connection")
        message: dict[str, Any] = json.loads(line)
        return message

    def ask(self, op: str, timeout_s: float = 120.0, **fields: Any) -> dict[str, Any]:
        """One request, its reply; events that come between are kept."""
        self._number += 1
        request = {"id": self._number, "op": op, **fields}
        self.send_raw(json.dumps(request).encode() + b"\n")
        while True:
            message = self.read(timeout_s)
            if message.get("id") == self._number:
                return message
            self.events.append(message)

    def get(self, op: str, timeout_s: float = 120.0, **fields: Any) -> Any:
        """The result of a request that must succeed."""
        reply = self.ask(op, timeout_s, **fields)
        assert reply["ok"], reply
        result = reply["result"]
        if op in ("ps", "top"):
            result["processes"] = rows(result["processes"])
        return result

    def until(self, event: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """The next event of a kind, from those that were kept or those to come."""
        while True:
            for index, message in enumerate(self.events):
                if message.get("event") == event:
                    del self.events[: index + 1]
                    return message
            self.events.append(self.read(timeout_s))


class KernelProcess:
    """`python -m llmos.kernel.boot`, started, killed and started again."""

    def __init__(self, *options: str, folder: Path | None = None) -> None:
        self.options = options
        self._own_folder = folder is None
        # Not pytest's tmp_path: a socket's path must be short.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="llmos-"))
        self.state_dir = self.folder / "state"
        self.plugins_dir = self.folder / "config" / "llmos" / "syscalls"
        self.mounts = self.plugins_dir.parent / "mcp.json"  # not there yet; it is live
        self.root = self.folder / "root"
        self.root.mkdir(exist_ok=True)
        self.socket = self.state_dir / "kernel.sock"
        self.log = self.folder / "kernel.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        """For running `llmos` against this kernel."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMOS_")}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return kept | {
            "LLMOS_STATE_DIR": str(self.state_dir),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "TERM": "xterm-256color",
            "NO_COLOR": "1",
        }

    @property
    def os_pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> KernelProcess:
        """Start it and wait until its socket answers."""
        self.launch()
        self._wait(lambda: self._answers())
        return self

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "llmos.kernel.boot",
                    f"--state-dir={self.state_dir}",
                    f"--plugins-dir={self.plugins_dir}",
                    f"--mount={self.mounts}",
                    *self.options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                start_new_session=True,
            )

    def ready(self) -> KernelProcess:
        """Wait until its engine is ready."""
        self._wait(lambda: self._engine_state() == "ready")
        return self

    def plugin_in_use(self, name: str) -> KernelProcess:
        """Wait until a plugin is in use."""
        self._wait(lambda: name in self._plugins_in_use())
        return self

    def _plugins_in_use(self) -> set[str]:
        with self.wire() as wire:
            found = wire.get("plugins")["plugins"]
        return {one["name"] for one in found if one["enabled"] and not one["error"]}

    def wire(self) -> Wire:
        return Wire(self.socket)

    def llmos(
        self, *arguments: str, input: str | None = None, timeout_s: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run the command in the kernel's root folder."""
        return subprocess.run(
            [sys.executable, "-m", "llmos", *arguments],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            env=self.env,
            cwd=self.root,
            timeout=timeout_s,
        )

    def health(self) -> str:
        """Its scheduler, its live processes and the end of its log, for people."""
        told = []
        for verb in (("status",), ("scheduler",), ("ps", "-l")):
            try:
                run = self.llmos(*verb, timeout_s=10)
                told.append(f"$ llmos {' '.join(verb)}\n{run.stdout[-4000:]}{run.stderr}")
            except subprocess.TimeoutExpired:
                told.append(f"$ llmos {' '.join(verb)}: no answer")
        return "\n".join([*told, self.tail()])

    def kill9(self) -> None:
        """As a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self, timeout_s: float = 60.0) -> int:
        """SIGTERM; its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout_s)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill9()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with self.wire() as wire:
                wire.get("status", 10.0)
        except OSError:
            return False
        return True

    def _engine_state(self) -> str:
        with self.wire() as wire:
            engine: dict[str, str] = wire.get("status")["engine"]
        if engine["state"] == "failed":
            raise AssertionError(f"the engine failed: {engine['detail']}\n{self.tail()}")
        return engine["state"]

    def _wait(self, condition: Any) -> None:
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while not condition():
            assert self._process is not None
            if self._process.poll() is not None:
                raise AssertionError(f"the kernel ended: {self._process.returncode}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"the kernel is not ready in time\n{self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


@contextlib.contextmanager
def running_kernel(*options: str) -> Iterator[KernelProcess]:
    """A kernel for the length of a block; its engine is ready."""
    kernel = KernelProcess(*options)
    try:
        yield kernel.start().ready()
    finally:
        kernel.close()
