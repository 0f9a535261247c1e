"""What clients may ask for: each request of `messages/`, answered."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Protocol

from .. import __version__
from ..memory.swap import Statement, read_pages
from ..syscalls.errno import EAGAIN, EINVAL, ENOENT, EPERM, ESRCH, ETIME, SyscallError
from ..syscalls.spec import SyscallSpec
from . import (
    audit,
    checkpoint,
    childspec,
    limits,
    listing,
    memory_view,
    messages,
    mount_view,
    procfs,
    scheduling_view,
)
from . import guest as guests
from .bus import Subscriber
from .checkpoint_file import read_file, write_file
from .kernel import Kernel
from .librarian import Librarian
from .pipe import End, Pipe
from .process import INIT_PID, Process
from .records import read_process
from .services import wait_for_exit
from .signals import Signal
from .why import why

ENDS = {"read": End.READ, "write": End.WRITE}
TRACE = "trace"


class Attachable(Protocol):
    """A client's connection, as far as this file needs it."""

    def attach(self, pid: int, subscriber: Subscriber) -> None: ...

    def detach(self, pid: int) -> None: ...

    def send_event(self, event: messages.Event) -> None: ...

    def at_close(self, key: Hashable, action: Callable[[], None]) -> None:
        """Do it when the connection ends, unless that is forgotten before."""

    def forget(self, key: Hashable) -> None: ...

    def will_close(self, key: Hashable) -> bool: ...


class Service:
    """Answers requests. Raises SyscallError for whatever the client can be told."""

    def __init__(self, kernel: Kernel, halt: Callable[[], None]) -> None:
        self._kernel = kernel
        self._halt = halt
        self._librarian = Librarian(kernel)

    async def handle(self, request: messages.Request, client: Attachable) -> object:
        """The result of one request; anything that pydantic can turn into JSON."""
        match request:
            case messages.Status():
                return self._status()
            case messages.Ps():
                return {"processes": listing.columns(self._kernel.table, self._kernel.scheduler)}
            case messages.Spawn():
                return await self._spawn(request, client)
            case messages.Send(pid, text):
                self._kernel.backlog.check_room()
                await self._kernel.send(pid, text)
            case messages.Attach(pid):
                process = self._kernel.table.find(pid)
                client.attach(pid, client.send_event)
                return listing.info(process, self._kernel.scheduler)
            case messages.Detach(pid):
                client.detach(pid)
            case messages.Supervise():
                return await self._supervise(request, client)
            case messages.Link(pid, partner):
                await self._kernel.link(self._subject(pid), self._subject(partner))
            case messages.Unlink(pid, partner):
                await self._kernel.unlink(self._subject(pid), self._subject(partner))
            case messages.MakePipe(capacity):
                return await self._make_pipe(capacity, client)
            case messages.PipeWrite(pipe_id, text):
                await self._kernel.write(self._held(pipe_id, End.WRITE, client), text)
            case messages.PipeRead(pipe_id, limit, timeout_s):
                pipe = self._held(pipe_id, End.READ, client)
                text, eof = await self._kernel.read(pipe, limit, timeout_s)
                return {"text": text, "eof": eof}
            case messages.PipeClose(pipe_id, end):
                await self._close(pipe_id, ENDS[end], client)
            case messages.Fork():
                return await self._fork(request, client)
            case messages.Exec(pid, task, name):
                await self._kernel.exec(self._subject(pid), task=task, name=name)
            case messages.Checkpoint():
                return await self._checkpoint(request)
            case messages.Restore():
                return await self._restore(request)
            case messages.Renice(pid, nice):
                await self._kernel.set_nice(self._subject(pid), nice)
            case messages.SetGroup(pid, group):
                await self._kernel.set_group(self._subject(pid), pid if group is None else group)
                return {"group": pid if group is None else group}
            case messages.SetSession(pid):
                await self._kernel.set_session(self._subject(pid))
                return {"session": pid}
            case messages.Kill():
                await self._kill(request)
            case messages.Wait(pid, timeout_s):
                return await self._wait(pid, timeout_s)
            case messages.Logs(pid):
                return await self._logs(pid)
            case messages.Pages(pid):
                return await memory_view.pages(self._kernel, pid)
            case messages.DiskUsage():
                return await memory_view.usage(self._kernel)
            case messages.Cat(path):
                return {"text": await procfs.read(self._kernel, path)}
            case messages.Fsck():
                num_pages, problems = await audit.audit(self._kernel)
                return {"pages": num_pages, "problems": problems}
            case messages.OpenGuest():
                return await self._open_guest(request, client)
            case messages.CallSyscall(pid, name, arguments, key):
                guest = await self._guest(pid, client)
                return await guest.call(name, arguments, key)
            case messages.CancelCall(pid, key):
                (await self._guest(pid, client)).cancel(key)
            case messages.Offered(pid):
                await self._kernel.syscalls_known()
                offered = self._kernel.offered(self._kernel.table.find(pid))
                return {"syscalls": [_syscall_info(spec) for spec in offered]}
            case messages.Mounts(name):
                return {"mounts": mount_view.mounts(self._kernel, name)}
            case messages.ApproveMount(name):
                return {"syscalls": mount_view.approve(self._kernel, name)}
            case messages.Plugins():
                return {"plugins": self._plugins()}
            case messages.DecidePlugin(action, name, value):
                await self._kernel.plugins.decide(action, name, value)
                return {"plugins": self._plugins()}
            case messages.Syscalls(name):
                return {"syscalls": await self._syscalls(name)}
            case messages.LookAtScheduler():
                return scheduling_view.info(self._kernel)
            case messages.UsePolicy(policy):
                scheduling_view.use(self._kernel, policy)
                return scheduling_view.info(self._kernel)
            case messages.ShareEngine(session, weight):
                scheduling_view.share(self._kernel, session, weight)
                return scheduling_view.info(self._kernel)
            case messages.Why(pid):
                return await why(self._kernel, pid)
            case messages.StartTrace(path, max_bytes):
                self._kernel.recorder.start(_absolute("path", path), max_bytes)
                client.at_close(TRACE, lambda: self._kernel.errand(self._kernel.recorder.close()))
            case messages.StopTrace():
                if not client.will_close(TRACE):
                    raise ENOENT("this connection records no trace")
                client.forget(TRACE)
                return await self._kernel.recorder.stop()
            case messages.Halt():
                self._halt()
            case _:
                return await self._librarian.handle(request)
        return {}

    def _status(self) -> messages.KernelStatus:
        kernel = self._kernel
        return messages.KernelStatus(
            version=__version__,
            os_pid=os.getpid(),
            state_dir=str(kernel.config.state_dir),
            uptime_s=time.monotonic() - kernel.started,
            processes=kernel.table.num_alive(),
            usage=kernel.usage(),
            engine=kernel.engine.status(kernel.scheduler.num_waiting),
        )

    async def _spawn(self, request: messages.Spawn, client: Attachable) -> dict[str, int]:
        process = await self._kernel.spawn(
            task=request.task,
            name=request.name,
            root=_folder(request.root),
            parent=request.parent,
            program=_program(request.program),
            interactive=request.interactive,
            nice=request.nice,
            tools=None if request.tools is None else tuple(request.tools),
            limits=limits.parse(request.limits),
            budget=request.budget,
            stdin=None if request.stdin is None else self._kernel.pipe(request.stdin),
            stdout=None if request.stdout is None else self._kernel.pipe(request.stdout),
        )
        # Its first step comes after this one: no event is missed.
        if request.attach:
            client.attach(process.pid, client.send_event)
        return {"pid": process.pid}

    async def _supervise(self, request: messages.Supervise, client: Attachable) -> dict[str, int]:
        spec = childspec.checked(request.spec)
        for index, child in enumerate(spec.children):
            try:
                await self._kernel.check_program(child.program)
                await self._kernel.check_tools(child.tools)
            except SyscallError as error:
                words = f"children.{index}: {error.message}"
                raise EINVAL(words, hint=error.hint) from None
        process = await self._kernel.spawn(
            task=childspec.as_text(spec),
            name=request.name or "supervisor",
            root=_folder(request.root),
            parent=request.parent,
            program="supervisor",
            limits=limits.parse(request.limits),
            budget=request.budget,
            new_group=True,
        )
        if request.attach:
            client.attach(process.pid, client.send_event)
        return {"pid": process.pid}

    async def _make_pipe(self, capacity: int, client: Attachable) -> dict[str, int]:
        pipe = await self._kernel.make_pipe(capacity)
        for end in End:
            client.at_close((pipe.id, end), partial(self._kernel.cut_off, pipe, end))
        return {"pipe": pipe.id}

    async def _close(self, pipe_id: int, end: End, client: Attachable) -> None:
        """Unlike a connection that ends, this says that what was written is all there is."""
        pipe = self._held(pipe_id, end, client)
        client.forget((pipe_id, end))
        if end is End.WRITE:
            await self._kernel.fed_whole(pipe)
        else:
            self._kernel.close_end(pipe, end)

    def _held(self, pipe_id: int, end: End, client: Attachable) -> Pipe:
        """A pipe of which the client holds the end. Raises ENOENT, EPERM."""
        pipe = self._kernel.pipe(pipe_id)
        if not client.will_close((pipe_id, end)):
            name = next(name for name, one in ENDS.items() if one is end)
            raise EPERM(f"this connection does not hold the {name} end of pipe {pipe_id}")
        return pipe

    async def _open_guest(self, request: messages.OpenGuest, client: Attachable) -> dict[str, int]:
        kernel = self._kernel

        def claim(process: Process) -> tuple[list[Statement], Callable[[], None]]:
            return [], lambda: kernel.guests.add(process.pid)

        process = await kernel.spawn(
            task=None,
            name=request.name,
            root=_folder(request.root),
            program="guest",
            tools=None if request.tools is None else tuple(request.tools),
            limits=limits.parse(request.limits),
            budget=request.budget,
            along=claim,
        )
        if request.attach:
            client.attach(process.pid, client.send_event)
        client.at_close(
            ("guest", process.pid), lambda: kernel.errand(guests.leave(kernel, process))
        )
        return {"pid": process.pid}

    async def _guest(self, pid: int, client: Attachable) -> guests.Guest:
        """A guest of this connection, once it can make calls. Raises EAGAIN, EPERM, ESRCH."""
        process = self._kernel.living(pid)
        if not client.will_close(("guest", pid)):
            raise EPERM(
                f"process {pid} is no guest of this connection", hint="open_guest makes one"
            )
        await self._kernel.begun.wait()
        running = self._kernel.at_work(process)
        if not isinstance(running, guests.Guest):
            raise EAGAIN(f"process {pid} is being replaced", hint="try again when it is over")
        return running

    async def _fork(self, request: messages.Fork, client: Attachable) -> dict[str, int]:
        child = await self._kernel.fork(
            self._subject(request.pid),
            task=request.task,
            name=request.name,
            interactive=request.interactive,
            budget=request.budget,
        )
        if request.attach:
            client.attach(child.pid, client.send_event)
        return {"pid": child.pid}

    def _subject(self, pid: int) -> Process:
        """A process that something can be done to. Raises EPERM, ESRCH."""
        if pid == INIT_PID:
            raise EPERM("process 1 ends with the kernel", hint="llmos halt ends the kernel")
        return self._kernel.table.find(pid)

    async def _checkpoint(self, request: messages.Checkpoint) -> dict[str, list[int]]:
        path = _absolute("path", request.path)
        content = await checkpoint.take(self._kernel, self._subject(request.pid), tree=request.tree)
        await asyncio.to_thread(write_file, path, content)
        return {"pids": [record["pid"] for record in content["processes"]]}

    async def _restore(self, request: messages.Restore) -> dict[str, object]:
        content = await asyncio.to_thread(read_file, _absolute("path", request.path))
        root = None if request.root is None else _folder(request.root)
        revived = await checkpoint.restore(self._kernel, content, root=root)
        return {"pid": revived.processes[0].pid, "pids": revived.pids}

    async def _kill(self, request: messages.Kill) -> None:
        process = self._subject(request.pid)
        table, signal = self._kernel.table, Signal[request.signal]
        match request.to:
            case "group":
                subjects = table.group(process.group)
            case "tree":
                subjects = [process, *table.descendants(process.pid)]
            case _:
                subjects = [process]
        await asyncio.gather(
            *(self._kernel.signal(one, signal, request.payload) for one in subjects)
        )

    async def _wait(self, pid: int, timeout_s: float | None) -> messages.ExitInfo:
        process = self._kernel.table.find(pid)
        if pid == INIT_PID:
            raise EINVAL("process 1 ends with the kernel")
        try:
            ended = await wait_for_exit(process, timeout_s)
        except TimeoutError:
            raise ETIME(f"process {pid} is still alive after {timeout_s:g} s") from None
        if process.parent == INIT_PID:
            await self._kernel.reap(process)
        return ended

    async def _logs(self, pid: int) -> dict[str, list[messages.PageInfo]]:
        """Out of swap, so that ended and reaped processes can be read too."""
        record = await self._kernel.journal.read(lambda c: read_process(c, pid))
        if record is None:
            raise ESRCH(f"no process {pid}, and there never was one")
        image = record.image
        pages = await self._kernel.journal.read(lambda c: read_pages(c, pid, image))
        return {
            "pages": [
                messages.PageInfo(
                    vpn=stored.page.vpn,
                    role=stored.page.role,
                    text=stored.page.text,
                    calls=[
                        {"name": call.name, "arguments": call.arguments}
                        for call in stored.page.calls
                    ],
                    num_tokens=stored.page.num_tokens,
                    resident=stored.resident,
                    created=stored.page.created,
                )
                for stored in pages
            ]
        }

    def _plugins(self) -> list[messages.PluginInfo]:
        return [
            messages.PluginInfo(
                name=record.name,
                origin=record.origin,
                version=record.version,
                syscalls=list(record.syscalls),
                load_ms=record.load_ms,
                error=record.error,
                path=record.path,
                hooks=list(record.hooks),
                offers=list(record.offers),
                enabled=record.enabled,
            )
            for record in (*self._kernel.plugins.records(), *self._kernel.mounts.records())
        ]

    async def _syscalls(self, name: str | None) -> list[messages.SyscallInfo]:
        table = self._kernel.plugins.table
        if name is not None:
            await self._kernel.check_tools([name])  # waits for it while the kernel boots
        # Raises ENOSYS, with the nearest name.
        specs = table.specs() if name is None else [table.lookup(name).spec]
        return [_syscall_info(spec) for spec in specs]


def _syscall_info(spec: SyscallSpec) -> messages.SyscallInfo:
    return messages.SyscallInfo(
        name=spec.name,
        plugin=spec.plugin,
        summary=spec.summary,
        description=spec.description,
        parameters=spec.parameters,
        needs=spec.needs,
        timeout_s=spec.timeout_s,
        effect=spec.effect,
        source=spec.source,
        approve=spec.approve,
        max_output=spec.max_output,
        trusted_args=list(spec.trusted_args),
        example=spec.example,
        streams=spec.streams,
    )


def _program(name: str) -> str:
    """What a client may start by its name alone. Raises EINVAL."""
    if name == "supervisor":
        raise EINVAL("a supervisor is not spawned", hint="llmos supervise starts one")
    return name


def _absolute(what: str, text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise EINVAL(f"{what} {text!r} is not an absolute path")
    return path


def _folder(root: str) -> Path:
    """A process's root, as a client names it. Raises EINVAL."""
    path = _absolute("root", root)
    if not path.is_dir():
        raise EINVAL(f"root {root!r} is not a folder")
    return path
