"""A script's link to the kernel: one connection, and the process that the script itself is.

What a script starts is below a guest of this connection (`kernel/guest.py`). When the script ends,
in whatever way, the connection ends, with it the guest, and with it all that it has started. Under
`llmos run script.py` that process is there already, and its pid in `LLMOS_PARENT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

from ..shell.async_client import AsyncClient
from ..shell.errors import Interrupted, KernelError, NoKernel, ShellError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    Heard = Callable[[Any], None]
    """Called with each event of a process."""

MOST_WAITS = 200
"""Processes that are waited for at once; the kernel takes 256 requests of one connection."""

GRACE_S = 5.0
"""What errands have to come to their end."""

CLOSING_TURNS = 5
"""Of the loop, from the end of the connection to the last callback of a request."""


class Link:
    """`parent` is the pid below which all is started; None: a guest of our own, made when it is
    needed. `root` is the folder that processes see, `name` that of the guest."""

    def __init__(self, socket: str, root: str, name: str, parent: int | None) -> None:
        self.root = root
        self._name = name
        self._parent = parent
        self._guest: int | None = None
        self._client = AsyncClient(socket, self._on_event, self._lost)
        self._listeners: dict[int, Heard] = {}
        self._early: dict[int, list[Any]] = {}
        self._opening = asyncio.Lock()
        self._waits = asyncio.Semaphore(MOST_WAITS)
        self._errands: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """What was started below our own guest is told to end."""
        if self._errands:
            await asyncio.wait(self._errands, timeout=GRACE_S)
        self._client.close()
        for _ in range(CLOSING_TURNS):  # who still waits for something is told, and told off
            await asyncio.sleep(0)

    # ---- requests -------------------------------------------------------------------------

    async def ask(self, op: str, **fields: Any) -> Any:
        """One request, its result. Raises KernelError, NoKernel."""
        try:
            return await self._client.ask(op, **fields)
        except Interrupted:  # the client's word for a task that is cancelled
            raise asyncio.CancelledError from None

    async def wait(self, pid: int, timeout_s: float | None = None) -> Any:
        """How a process ended, once it has. Raises TimeoutError, KernelError, NoKernel."""
        async with self._waits:
            try:
                return await self.ask("wait", pid=pid, timeout_s=timeout_s)
            except KernelError as error:
                if error.code == "ETIME":
                    raise TimeoutError(error.message) from None
                raise

    def errand(self, work: Coroutine[Any, Any, Any]) -> None:
        """Something that nobody waits for, but that is done before the link is closed."""
        task = asyncio.ensure_future(_quietly(work))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def end(self, pid: int, signal: str = "KILL") -> None:
        """Ends a process and all below it, in the background."""
        self.errand(self._client.ask("kill", pid=pid, signal=signal, to="tree"))

    # ---- the script's own process ---------------------------------------------------------

    async def parent(self) -> int:
        """The pid below which processes are started."""
        return await self.guest() if self._parent is None else self._parent

    async def guest(self) -> int:
        """The pid of the process by which the script makes syscalls."""
        async with self._opening:
            if self._guest is None:
                opened = await self.ask(
                    "open_guest", root=self.root, name=self._name, parent=self._parent or 1
                )
                self._guest = int(opened.pid)
            return self._guest

    # ---- events ---------------------------------------------------------------------------

    def listen(self, pid: int, heard: Heard) -> None:
        """Events of a process go there from now on, those first that came before."""
        self._listeners[pid] = heard
        for event in self._early.pop(pid, ()):
            heard(event)

    def _on_event(self, event: Any) -> None:
        heard = self._listeners.get(event.pid)
        if heard is None:  # of a process whose birth is on its way to whoever asked for it
            self._early.setdefault(event.pid, []).append(event)
            return
        if event.event == "exit":
            del self._listeners[event.pid]
        heard(event)

    def _lost(self) -> None:
        self._guest = None
        listeners, self._listeners = self._listeners, {}
        for heard in listeners.values():
            heard(None)


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    """The process may have ended by itself, and the kernel, too."""
    with contextlib.suppress(ShellError, Interrupted):
        await work


async def boot(state_dir: str | None) -> None:
    """Starts the kernel of a state folder; its engine may still load. Raises NoKernel."""
    own = ("--state-dir", state_dir) if state_dir else ()
    # -P: a module in the folder where the script runs must not get in.
    command = (sys.executable, "-P", "-m", "llmos", "boot", "--no-wait", *own)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ,
    )
    _, said = await process.communicate()
    words = said.decode("utf-8", "replace").strip()
    if process.returncode and "already running" not in words:
        raise NoKernel(f"the kernel did not start: {words}", "llmos boot")
