"""One worker process, seen from the kernel: started, spoken to, ended.

A worker leads a session of its own, so that Ctrl-C in the kernel's terminal does not reach it,
and killing its process group takes along whatever it has started.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from pydantic import ValidationError

from .desk import Desk
from .errno import EAGAIN, EINTR, EIO, LoadError, SyscallError, from_code
from .wire import (
    HEADER,
    REPLY,
    Answer,
    Asked,
    Call,
    Cancel,
    Loaded,
    Observe,
    Raised,
    Refused,
    Reply,
    Returned,
    Source,
    Start,
    Told,
    pack,
)

MAX_FRAME = 16 << 20
"""A worker that sends a longer frame, in bytes, is ended."""

LOG_RATE = 1 << 20
"""Bytes a second that a plugin may print, after a first burst of as many. A flood is dropped and
its pipe is read at this rate, so that it blocks the plugin, not the kernel."""

MAX_LINE = 1000
MAX_TOLD = 500
"""Frames a second beside results that a worker may send; then its socket is left full."""

MAX_ASKED = 64
"""Questions of one call that wait for an answer at once."""

MAX_UNREAD = 1 << 20
"""Bytes that an observer may be behind; what comes then, it misses."""
MAYBE = "what it was doing may or may not have happened"
_PASSED = frozenset(
    "HOME LANG LANGUAGE LLMOS_WEB_ALLOW LOGNAME PATH TMPDIR TZ USER VIRTUAL_ENV"
    " PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH PYTHONPYCACHEPREFIX PYTHONUTF8".split()
)


def scrubbed_environment() -> dict[str, str]:
    """What a worker sees of the kernel's environment: no key and no token."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED or name.startswith("LC_")
    }


class _Pending:
    """A call on its way: its result to come, its desk, and what it has asked."""

    __slots__ = ("asking", "desk", "future", "watching")

    def __init__(self, desk: Desk) -> None:
        self.future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.desk = desk
        self.asking: set[asyncio.Task[None]] = set()
        self.watching = False

    def over(self) -> None:
        for task in self.asking:
            task.cancel()


class Child:
    """Made by `Child.start`. `loaded` is what its plugins bring."""

    MODULE = f"{__package__}.worker"
    """What it runs."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.name = name
        self.loaded = Loaded(specs=())
        self.suspect = False  # was told to cancel a call, and has not answered yet
        self.fault: SyscallError | None = None  # why it can take no more calls
        self._killed = False
        self._by_itself = False
        self._process = process
        self._reader = reader
        self._writer = writer
        self._pending: dict[int, _Pending] = {}
        self._told = 0  # frames since `_told_since`
        self._told_since = 0.0
        self._next_id = 0
        self._listening: asyncio.Task[None] | None = None
        self._logging: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        sources: Sequence[Source],
        max_output: int,
        max_memory: int,
        load_timeout_s: float,
    ) -> Self:
        """A worker that has imported its plugins; LoadError says why one could not be."""
        ours, theirs = socket.socketpair()
        log_out, log_in = os.pipe()
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", cls.MODULE,
                str(theirs.fileno()), str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL, stdout=log_in, stderr=log_in,
                cwd="/", env=scrubbed_environment(),
                pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            writer.close()
            os.close(log_out)
            raise
        finally:
            theirs.close()
            os.close(log_in)
        child = cls(name, process, reader, writer)
        child._logging = asyncio.create_task(child._log(log_out))
        try:
            async with asyncio.timeout(load_timeout_s):
                child.loaded = await child._load(
                    Start(sources=tuple(sources), max_output=max_output, max_memory=max_memory)
                )
        except TimeoutError:
            await child.end(kill=True)
            raise LoadError(f"it was still importing after {load_timeout_s:g} s") from None
        except BaseException:
            await child.end(kill=True)
            raise
        child._listening = asyncio.create_task(child._listen())
        return child

    async def _load(self, start: Start) -> Loaded:
        self._writer.write(pack(start))
        reply = await self._receive()
        if isinstance(reply, Loaded):
            return reply
        if isinstance(reply, Refused):
            raise LoadError(reply.message, where=reply.where)
        raise LoadError(f"it ended while it was imported: {await self._ending()}")

    # ---- calls ----------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        return self._listening is not None and self.fault is None

    @property
    def crashed(self) -> bool:
        """Has it ended, and nobody ended it?"""
        return self._by_itself

    @property
    def busy(self) -> bool:
        return bool(self._pending)

    def call(
        self,
        name: str,
        arguments: dict[str, object],
        pid: int,
        call_id: str,
        root: str,
        desk: Desk,
    ) -> tuple[int, asyncio.Future[str]]:
        """Send a call; its id, and its text or SyscallError to come. Until then its desk hears and
        answers what it asks."""
        self._next_id += 1
        request = Call(
            id=self._next_id, name=name, arguments=arguments, pid=pid, call_id=call_id, root=root
        )
        frame = pack(request)
        pending = self._pending[request.id] = _Pending(desk)
        pending.future.add_done_callback(lambda _: pending.over())
        self._writer.write(frame)
        return request.id, pending.future

    def looks_out(self, id: int) -> bool:
        """Would this call notice that it is cancelled?"""
        return id in self._pending and self._pending[id].watching

    def observe(self, seen: Observe) -> bool:
        """Tell its plugin of a call; False if it is too far behind to be told."""
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD:
            return False
        self._writer.write(pack(seen))
        return True

    async def cancel(self, id: int, grace_s: float) -> bool:
        """Cancel a call; False if it went on for all of `grace_s`."""
        pending = self._pending.get(id)
        if pending is None or not self.alive:
            return True
        self.suspect = True
        self._writer.write(pack(Cancel(id=id)))
        await asyncio.wait([pending.future], timeout=grace_s)
        self.suspect = False
        return pending.future.done()

    async def _listen(self) -> None:
        """Hand every answer to the call that waits for it, until the worker ends."""
        try:
            while isinstance(
                reply := await self._receive(), Told | Asked | Returned | Raised | Loaded
            ):
                if isinstance(reply, Loaded):
                    self.loaded_again(reply)
                    continue
                if isinstance(reply, Told | Asked):
                    await self._hold_back()
                    self._hear(reply)
                    continue
                pending = self._pending.pop(reply.id, None)
                if pending is None or pending.future.done():
                    continue
                if isinstance(reply, Returned):
                    pending.future.set_result(reply.text)
                else:
                    error = from_code(reply.code, reply.message, reply.hint)
                    pending.future.set_exception(error)
                    pending.future.exception()  # nobody may be left to look at it
        finally:
            if self.fault is None:
                self._by_itself = True
                self.fault = EIO(f"the worker of {self.name} hung up")
                self.fault = EIO(f"the worker of {self.name} {await self._ending()}")
            for pending in self._pending.values():
                if not pending.future.done():
                    pending.future.set_exception(self.fault)
                    pending.future.exception()
            self._pending.clear()

    async def _hold_back(self) -> None:
        """Let a worker that tells too much wait, and the kernel do something else."""
        now = asyncio.get_running_loop().time()
        if now - self._told_since > 1:
            self._told, self._told_since = 0, now
        self._told += 1
        if self._told > MAX_TOLD:
            await asyncio.sleep(1 - (now - self._told_since))

    def _hear(self, reply: Told | Asked) -> None:
        pending = self._pending.get(reply.id)
        if pending is None or pending.future.done():
            return
        if isinstance(reply, Asked):
            if len(pending.asking) < MAX_ASKED:
                task = asyncio.create_task(self._answer(pending.desk, reply))
                pending.asking.add(task)
                task.add_done_callback(pending.asking.discard)
            else:
                error = EAGAIN(f"a call may ask {MAX_ASKED} things at once")
                self._write_answer(reply, error=error)
        elif reply.what == "watching":
            pending.watching = True
        else:
            pending.desk.tell(reply.what, reply.text)

    async def _answer(self, desk: Desk, asked: Asked) -> None:
        try:
            self._write_answer(asked, value=await desk.answer(asked.what, asked.arguments))
        except SyscallError as error:
            self._write_answer(asked, error=error)
        except Exception as error:
            logging.getLogger(__name__).exception("a question of %s failed", self.name)
            self._write_answer(asked, error=EIO(f"{type(error).__name__}: {error}"))

    def _write_answer(
        self, asked: Asked, value: object = None, error: SyscallError | None = None
    ) -> None:
        answer = Answer(id=asked.id, number=asked.number, value=value)
        if error is not None:
            told = {"code": error.code, "message": error.message, "hint": error.hint}
            answer = answer.model_copy(update=told)
        if self.alive:
            self._writer.write(pack(answer))

    def loaded_again(self, loaded: Loaded) -> None:
        """It brings something else from now on. A worker has no reason to say so."""
        self.kill(self._blame("said twice what it brings"))

    async def _receive(self) -> Reply | None:
        """None when the worker has hung up, or said what no worker says."""
        try:
            size = HEADER.unpack(await self._reader.readexactly(HEADER.size))[0]
            if size > MAX_FRAME:
                self.kill(self._blame(f"sent {size} bytes at once, more than {MAX_FRAME}"))
                return None
            return REPLY.validate_json(await self._reader.readexactly(size))
        except ValidationError:
            self.kill(self._blame("sent a message that makes no sense"))
            return None
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def _blame(self, deed: str) -> EIO:
        return EIO(f"the worker of {self.name} {deed}, and was ended")

    # ---- the end --------------------------------------------------------------------------

    def kill(self, fault: SyscallError) -> None:
        """End it now, and all that it has started; calls that still run fail with `fault`."""
        self.fault = self.fault or fault
        if not self._killed:  # once: later on the number may belong to someone else
            self._killed = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self, *, kill: bool = False) -> None:
        """Let it end by itself for a second, then make it; back when it is gone."""
        closed = EINTR(f"the plugin {self.name} was closed", hint=MAYBE)
        self.fault = self.fault or closed
        self._writer.close()
        if not kill:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._process.wait()
        self.kill(closed)
        await self._process.wait()
        tasks = [task for task in (self._listening, self._logging) if task is not None]
        _, late = await asyncio.wait(tasks, timeout=0.5)  # for its last words
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _ending(self) -> str:
        """How it ended, in words; it has hung up, so that it has a second to do so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._process.wait()
        self.kill(self._blame("hung up"))
        code = await self._process.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"was killed by {name}"

    async def _log(self, pipe: int) -> None:
        """Whatever the plugin prints goes to the log, line by line."""
        log = logging.getLogger("llmos.plugins").getChild(self.name)
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", buffering=0)
        )
        clock = asyncio.get_running_loop().time
        allowance, last, rest = float(LOG_RATE), clock(), b""
        try:
            while data := await reader.read(1 << 16):
                allowance = min(LOG_RATE, allowance + (clock() - last) * LOG_RATE) - len(data)
                last = clock()
                *lines, rest = (rest + data).split(b"\n")
                if allowance < 0:
                    lines, rest = [b"(a flood of output is left out)"], b""
                for line in lines:
                    log.info("%s", line[:MAX_LINE].decode(errors="replace"))
                rest = rest[:MAX_LINE]
                await asyncio.sleep(max(0.0, -allowance / LOG_RATE))
            if rest:
                log.info("%s", rest.decode(errors="replace"))
        finally:
            transport.close()
