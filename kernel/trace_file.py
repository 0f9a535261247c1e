"""A trace's file: one JSON object a line, the first one its header.

Lines are written a few times a second, by a thread: nothing that the kernel does waits for the
disk. So a crash costs the events of the last moments, and at most the last line is torn. What would
not fit, in the file or in memory because the disk is slow, is left out, and the last line says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VERSION = 1
FLUSH_S = 0.25
MAX_PENDING = 200_000
"""Events that may wait for the disk, each of them a few hundred bytes."""


class TraceFile:
    """Takes events until it is closed. Raises OSError when the file cannot be made."""

    def __init__(self, path: Path, header: Mapping[str, Any], max_bytes: int) -> None:
        self.path = path
        self.num_events = self.num_lost = self.num_bytes = 0
        self.error = ""
        self._max_bytes = max_bytes
        self._pending: list[Mapping[str, Any]] = []
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self._write([{"llmos_trace": VERSION, **header}])
        self._closing = asyncio.Event()
        self._flusher = asyncio.create_task(self._flush_until_closed())

    def add(self, event: Mapping[str, Any]) -> None:
        if len(self._pending) < MAX_PENDING and self.num_bytes < self._max_bytes:
            self._pending.append(event)
            self.num_events += 1
        else:
            self.num_lost += 1

    async def close(self, t: float) -> None:
        """`t` as the events' own. Twice is once."""
        if self._closing.is_set():
            return
        self._closing.set()
        await self._flusher
        end = {"t": round(t, 6), "e": "close", "events": self.num_events, "lost": self.num_lost}
        await asyncio.to_thread(self._write, [end])
        os.close(self._fd)

    async def _flush_until_closed(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._closing.wait()
            if self._pending:
                events, self._pending = self._pending, []
                await asyncio.to_thread(self._write, events)

    def _write(self, events: list[Mapping[str, Any]]) -> None:
        """In a thread."""
        text = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
        data = memoryview(text.encode())
        try:
            while data and not self.error:
                data = data[os.write(self._fd, data) :]
        except OSError as error:  # the disk is full: the kernel has other things to do
            self.error = error.strerror or str(error)
        self.num_bytes += len(text)
