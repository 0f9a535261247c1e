"""What the kernel does for built-in syscalls, on behalf of the process that calls."""

from __future__ import annotations

import asyncio

from ..memory.notes import find_notes, write_note
from ..syscalls.context import ExitRecord, ProcessRecord
from ..syscalls.errno import ECHILD, EINVAL, EPERM
from .kernel import Kernel
from .messages import ExitInfo
from .process import INIT_PID, Process, Signal
from .records import read_process


class Services:
    """`KernelServices` for one call of one process."""

    def __init__(self, kernel: Kernel, caller: Process, call_id: str) -> None:
        self._kernel = kernel
        self._caller = caller
        # Unique over all processes, and the same when the kernel makes the call again after a
        # crash: what was done under this key is not done twice.
        self._key = f"{caller.pid}.{call_id}"

    async def spawn(self, task: str) -> int:
        process = await self._kernel.spawn(
            task=task,
            name=task,
            root=self._caller.root,
            parent=self._caller.pid,
            spawn_key=self._key,
        )
        return process.pid

    async def wait(self, pid: int) -> ExitRecord:
        caller = self._caller
        if pid == caller.pid:
            raise EINVAL(f"process {pid} cannot wait for itself")
        if pid in self._kernel.table.ancestors(caller.pid):
            raise EINVAL(f"process {pid} waits for this one: both would wait forever")
        if pid not in self._kernel.table:
            return await self._reaped_child(pid)
        process = self._kernel.table.find(pid)
        await process.exited.wait()
        ended = process.exit
        assert ended is not None
        if process.parent == caller.pid:
            await self._kernel.reap(process)
        return _record(ended)

    async def _reaped_child(self, pid: int) -> ExitRecord:
        """A child whose end was reported before: the report again. Raises ESRCH, ECHILD."""
        record = await self._kernel.journal.read(lambda c: read_process(c, pid))
        if record is None:
            self._kernel.table.find(pid)
        assert record is not None
        if record.parent != self._caller.pid or record.exit_status is None:
            raise ECHILD(f"process {pid} is no child of process {self._caller.pid}")
        return ExitRecord(pid, record.exit_status, record.output)

    async def kill(self, pid: int) -> None:
        """An interactive process is its user's hand and may end any other; an agent on its own
        may end those below it."""
        caller = self._caller
        process = self._kernel.table.find(pid)
        if pid == INIT_PID:
            raise EPERM("process 1 ends with the kernel")
        if pid == caller.pid:
            raise EINVAL("a process ends itself by answering")
        below = caller.pid in self._kernel.table.ancestors(pid)
        if not (below or caller.interactive):
            raise EPERM(f"process {pid} is not below process {caller.pid}")
        if process.alive:
            self._kernel.signal(process, Signal.TERM)
            await process.exited.wait()
        if process.parent == caller.pid:
            await self._kernel.reap(process)

    def processes(self) -> list[ProcessRecord]:
        return [
            ProcessRecord(process.pid, process.state.value, process.name)
            for process in self._kernel.table
        ]

    async def remember(self, text: str) -> None:
        await self._kernel.journal.commit([write_note(text, self._key)])

    async def recall(self, query: str) -> list[str]:
        return await self._kernel.journal.read(lambda connection: find_notes(connection, query))


def _record(ended: ExitInfo) -> ExitRecord:
    return ExitRecord(ended.pid, ended.status, ended.output)


async def wait_for_exit(process: Process, timeout_s: float | None) -> ExitInfo:
    """The end of a process. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        await process.exited.wait()
    assert process.exit is not None
    return process.exit
