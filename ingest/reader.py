"""The client's side of the reading process: it is started anew when it hangs or dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from select import select
from time import monotonic

from .passage import Document, Passage, Unreadable

TIMEOUT_S = 120.0
"""For one file."""


class Reader:
    """Reads one file at a time."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self._process = None

    def read(self, path: str) -> Document:
        """Raises Unreadable."""
        try:
            line = self._ask(path)
        except BaseException:  # also Ctrl-C: its answer must not be the next file's
            self.close()
            raise
        answer = json.loads(line)
        if "error" in answer:
            raise Unreadable(answer["error"])
        passages = tuple(Passage(**passage) for passage in answer["passages"])
        return Document(answer["digest"], answer["unit"], passages)

    def _ask(self, path: str) -> bytes:
        process = self._started()
        assert process.stdin and process.stdout
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(path).encode() + b"\n")
            process.stdin.flush()
        deadline, received = monotonic() + self._timeout_s, bytearray()
        while not received.endswith(b"\n"):
            left_s = deadline - monotonic()
            if left_s <= 0 or not select([process.stdout], [], [], left_s)[0]:
                raise Unreadable(f"reading it takes longer than {self._timeout_s:g} s")
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise Unreadable(f"it crashed its reader ({_end(process)})")
            received += chunk
        return bytes(received)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{__package__}.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process


def _end(process: subprocess.Popen[bytes]) -> str:
    status = process.wait()
    return f"signal {-status}" if status < 0 else f"exit status {status}"
