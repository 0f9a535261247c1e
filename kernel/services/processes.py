"""Processes: children, waiting for them, signals and links."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...syscalls.errno import ECHILD, EINVAL, EIO, EPERM
from ...syscalls.services import ExitRecord, ProcessRecord
from .. import procfs
from ..limits import parse
from ..messages import ExitInfo
from ..process import INIT_PID, Process
from ..records import read_process
from ..signals import Signal
from .calling import Calling

AROUND_A_PROMPT = 512
"""Tokens, at most: system text and template."""


class Processes(Calling):
    """What a process does to others, and to itself."""

    async def spawn(self, task: str) -> int:
        process = await self._kernel.spawn(
            task=task,
            name=task,
            root=self._caller.root,
            parent=self._caller.pid,
            spawn_key=self._birth_key(),
        )
        return process.pid

    async def ask(self, prompt: str, max_tokens: int) -> str:
        """By a child that has no tools: the caller's limits and budget hold for it. The prompt does
        not count for `max_tokens`, which is of the answer."""
        await self._kernel.engine.ready()  # it counts the tokens
        asked = self._kernel.engine.count_tokens(prompt) + AROUND_A_PROMPT
        child = await self._kernel.spawn(
            task=prompt,
            name="question",
            root=self._caller.root,
            parent=self._caller.pid,
            tools=(),
            limits=parse({"tokens": asked + max_tokens}),
            spawn_key=self._birth_key(),
        )
        ended = await self.wait(child.pid)
        if ended.status:
            raise EIO(f"the model gave no whole answer: {ended.output}")
        return ended.output

    async def fork(self, task: str | None = None) -> int:
        child = await self._kernel.fork(
            self._caller,
            task=task,
            interactive=False,
            call_id=self._call_id,
            spawn_key=self._birth_key(),
        )
        return child.pid

    async def exec(self, task: str) -> None:
        """Does not return: what called is gone."""
        self._kernel.errand(self._kernel.exec(self._caller, task=task))
        await asyncio.get_running_loop().create_future()

    async def wait(self, pid: int) -> ExitRecord:
        caller, kernel, pid = self._caller, self._kernel, self._caller.meant(pid)
        if pid == caller.pid:
            raise EINVAL(f"process {pid} cannot wait for itself")
        if pid not in kernel.table:
            return await self._reaped_child(pid)
        process = kernel.table.find(pid)
        if process.alive:
            self._block(f"process {pid}", {pid})
            await process.exited.wait()
        return await self._report(process)

    async def wait_any(self, pids: Sequence[int] = ()) -> ExitRecord:
        """The first of some children, or of all, that has ended."""
        caller, kernel = self._caller, self._kernel
        pids = [self._caller.meant(pid) for pid in pids]
        children = {child.pid for child in kernel.table.children(caller.pid)}
        for pid in pids:
            if pid not in children:
                raise ECHILD(f"process {pid} is no child of process {caller.pid}")
        if not children:
            raise ECHILD(f"process {caller.pid} has no children")
        wanted = frozenset(pids) or frozenset(children)
        if all(kernel.table.find(pid).alive for pid in wanted):
            self._block("a child", wanted)
        return await self._report(await kernel.wait_any(caller, wanted))

    async def _report(self, process: Process) -> ExitRecord:
        ended = process.exit
        assert ended is not None
        self._reap(process)
        return _record(ended)

    def _reap(self, process: Process) -> None:
        """Reaped when the result of the call is committed: an end that was reported, and then
        forgotten in a crash, is reported again."""
        if process.parent == self._caller.pid:
            self.effects.statements += self._kernel.reaping(process)
            self.effects.actions.append(lambda: self._kernel.reaped(process))

    async def _reaped_child(self, pid: int) -> ExitRecord:
        """A child whose end was reported before: the report again. Raises ESRCH, ECHILD."""
        record = await self._kernel.journal.read(lambda c: read_process(c, pid))
        if record is None:
            self._kernel.table.find(pid)
        assert record is not None
        if record.parent != self._caller.pid or record.exit is None:
            raise ECHILD(f"process {pid} is no child of process {self._caller.pid}")
        return _record(record.exit)

    async def kill(self, pid: int) -> None:
        """End a process and wait until it has ended."""
        process = self._subject(pid)
        if process.alive:
            await self._kernel.signal(process, Signal.TERM)
            await process.exited.wait()
        self._reap(process)

    async def signal(self, pid: int, name: str, payload: str = "") -> None:
        process = self._subject(pid)
        try:
            signal = Signal[name.upper().removeprefix("SIG")]
        except KeyError:
            raise EINVAL(
                f"there is no signal {name!r}",
                hint="there are " + ", ".join(one.name for one in Signal),
            ) from None
        await self._kernel.signal(process, signal, payload)

    async def link(self, pid: int) -> None:
        """Linked when the result of the call is committed."""
        process = self._subject(pid)
        self._kernel.check_link(self._caller, process)
        self._change(self._kernel.links.join(self._caller, process))

    async def unlink(self, pid: int) -> None:
        self._change(self._kernel.links.part(self._caller, self._subject(pid)))

    async def set_nice(self, pid: int, nice: int) -> None:
        caller = self._caller
        process = caller if caller.meant(pid) == caller.pid else self._subject(pid)
        if nice < process.nice and not caller.interactive:
            raise EPERM(
                f"process {process.pid} has nice {process.nice}, which it may not lower alone",
                hint=f"it may be {process.nice} to 19",
            )
        await self._kernel.set_nice(process, nice)

    async def process_status(self, pid: int) -> str:
        caller = self._caller
        process = caller if caller.meant(pid) == caller.pid else self._subject(pid)
        return await procfs.read(self._kernel, f"/proc/{process.pid}/status")

    def _subject(self, pid: int) -> Process:
        """A process that the caller may signal: an interactive process is its user's hand and may
        signal any other; an agent on its own those below it. Raises EINVAL, EPERM, ESRCH."""
        caller, pid = self._caller, self._caller.meant(pid)
        process = self._kernel.table.find(pid)
        if pid == INIT_PID:
            raise EPERM("process 1 ends with the kernel")
        if pid == caller.pid:
            raise EINVAL("a process ends itself by answering")
        below = caller.pid in self._kernel.table.ancestors(pid)
        if not (below or caller.interactive):
            raise EPERM(f"process {pid} is not below process {caller.pid}")
        return process

    def processes(self) -> list[ProcessRecord]:
        return [
            ProcessRecord(process.pid, process.state.value, process.name)
            for process in self._kernel.table
        ]


def _record(ended: ExitInfo) -> ExitRecord:
    return ExitRecord(ended.pid, ended.status, ended.output)


async def wait_for_exit(process: Process, timeout_s: float | None) -> ExitInfo:
    """The end of a process. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        await process.exited.wait()
    assert process.exit is not None
    return process.exit
