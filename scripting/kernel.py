"""`llmos.connect()`: the kernel as a script sees it.

    async with llmos.connect() as k:
        parts = await k.map("Summarise.", DOCS, limit=4)
        print(await k.run("Merge the summaries.", "\\n".join(parts)))

What is started here ends with the block: a script leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TypeVar, Unpack, overload

from ..shell.client import open_socket
from ..shell.paths import Paths
from .birth import bear
from .errors import NoKernel, SyscallFailed
from .link import Link
from .link import boot as start_kernel
from .means import Means
from .process import Exit, Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal, Self

    from ..kernel.messages import KernelStatus, ProcessInfo
    from .group import Group
    from .supervised import Restart, Strategy

T = TypeVar("T")


def connect(
    path: str | os.PathLike[str] | None = None,
    *,
    boot: bool = True,
    root: str | os.PathLike[str] | None = None,
    name: str | None = None,
) -> Kernel:
    """The kernel of the state folder `path` (None: as the shell finds it), to be entered with
    `async with`. It is started if need be, unless `boot` is False: then entering raises NoKernel.

    `root` is the folder that processes see (None: the current one), `name` what `ps` calls the
    script (None: its file).
    """
    return Kernel(path, boots=boot, root=root, name=name)


class Kernel:
    """Made by `connect`. Every method raises `KernelError` where the kernel refuses (its `code` is
    the errno), and `NoKernel` when the kernel has gone."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        *,
        boots: bool,
        root: str | os.PathLike[str] | None,
        name: str | None,
    ) -> None:
        self._state_dir = None if path is None else os.fspath(path)
        self._boots = boots
        self._root = os.path.abspath(os.path.expanduser(root or os.getcwd()))
        self._name = name or os.path.basename(sys.argv[0]) or "script"
        self._entered: Link | None = None

    async def __aenter__(self) -> Self:
        if self._entered is not None:
            raise RuntimeError("this connection is in use: llmos.connect() makes another one")
        socket = Paths(self._state_dir).socket
        try:
            open_socket(socket).close()
        except NoKernel:
            if not self._boots:
                raise
            await start_kernel(self._state_dir)
        self._entered = Link(socket, self._root, self._name, self._parent())
        return self

    async def __aexit__(self, *_: object) -> None:
        link, self._entered = self._link, None
        await link.close()

    def _parent(self) -> int | None:
        """The process that `llmos run script.py` has made for us, in the kernel that it names."""
        given = os.environ.get("LLMOS_PARENT", "")
        return int(given) if given.isdecimal() and self._state_dir is None else None

    @property
    def _link(self) -> Link:
        if self._entered is None:
            raise RuntimeError("not connected: async with llmos.connect() as k")
        return self._entered

    # ---- processes ------------------------------------------------------------------------

    @overload
    async def run(
        self,
        prompt: str,
        context: str | None = None,
        *,
        output: None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> str: ...
    @overload
    async def run(
        self,
        prompt: str,
        context: str | None = None,
        *,
        output: type[T],
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> T: ...

    async def run(
        self,
        prompt: str,
        context: str | None = None,
        *,
        output: Any = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> Any:
        """One task and its answer: a text, or a value of the type `output`. `context` is what the
        prompt speaks of, `means` is what it may use. Whoever cancels it ends the process.

        Raises ProcessFailed, OutputInvalid, and TimeoutError after `timeout` seconds.
        """
        process: Process[Any] = bear(
            self._link,
            prompt,
            context,
            interactive=False,
            attach=False,
            output=output,
            **means,
        )
        try:
            async with asyncio.timeout(timeout):
                return await process.result()
        except TimeoutError:
            self._link.errand(process.kill())
            raise TimeoutError(f"{process!r} did not answer within {timeout:g} s") from None
        except asyncio.CancelledError:
            self._link.errand(process.kill())
            raise

    @overload
    async def spawn(
        self,
        prompt: str | None = None,
        context: str | None = None,
        *,
        interactive: bool | None = None,
        output: None = None,
        **means: Unpack[Means],
    ) -> Process[str]: ...
    @overload
    async def spawn(
        self,
        prompt: str | None = None,
        context: str | None = None,
        *,
        interactive: bool | None = None,
        output: type[T],
        **means: Unpack[Means],
    ) -> Process[T]: ...

    async def spawn(
        self,
        prompt: str | None = None,
        context: str | None = None,
        *,
        interactive: bool | None = None,
        output: Any = None,
        **means: Unpack[Means],
    ) -> Process[Any]:
        """A process in the background. With a prompt it has a task, and ends with its answer;
        without one, or when it is `interactive`, it is there to be talked to. The rest is as in
        `run`."""
        process: Process[Any] = bear(
            self._link,
            prompt,
            context,
            interactive=prompt is None if interactive is None else interactive,
            attach=True,
            output=output,
            **means,
        )
        await process.born()
        return process

    async def attach(self, pid: int) -> Process[str]:
        """A process that somebody else has started: it lives on when the script ends. Raises
        KernelError ESRCH."""
        info: ProcessInfo = await self._link.ask("attach", pid=pid)

        async def born() -> int:
            return pid

        process: Process[str] = Process(
            self._link, born(), interactive=info.interactive, output=None, ours=False
        )
        await process.born()
        return process

    async def processes(self) -> list[ProcessInfo]:
        """The kernel's process table, as `ps` lists it."""
        found: list[ProcessInfo] = (await self._link.ask("ps")).processes
        return found

    async def status(self) -> KernelStatus:
        """The kernel and its engine."""
        found: KernelStatus = await self._link.ask("status")
        return found

    # ---- many at once ---------------------------------------------------------------------

    @overload
    async def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: None = None,
        return_exceptions: Literal[False] = False,
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> list[str]: ...
    @overload
    async def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: type[T],
        return_exceptions: Literal[False] = False,
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> list[T]: ...
    @overload
    async def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: None = None,
        return_exceptions: Literal[True],
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> list[str | Exception]: ...
    @overload
    async def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: type[T],
        return_exceptions: Literal[True],
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> list[T | Exception]: ...

    async def map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int = 4,
        *,
        output: Any = None,
        return_exceptions: bool = False,
        progress: bool | None = None,
        timeout: float | None = None,
        **means: Unpack[Means],
    ) -> list[Any]:
        """`run(prompt, item)` for each item, at most `limit` at once; the answers in the order of
        the items. The first failure ends the others and is raised; with `return_exceptions` it
        stands in the place of the answer, and the others go on.

        `progress` shows a bar on stderr (None: if that is a terminal). The rest is as in `run`.
        """
        work = self._map(
            prompt,
            items,
            limit,
            output=output,
            return_exceptions=return_exceptions,
            progress=progress,
            timeout=timeout,
            means=means,
        )
        return await work

    async def _map(
        self,
        prompt: str,
        items: Iterable[str],
        limit: int,
        *,
        output: Any,
        return_exceptions: bool,
        progress: bool | None,
        timeout: float | None,
        means: Means,
    ) -> list[Any]:
        from .mapping import mapped

        async def one(item: str) -> Any:
            return await self.run(
                prompt,
                item,
                output=output,
                timeout=timeout,
                **means,
            )

        return await mapped(one, list(items), limit, return_exceptions, progress)

    def group(
        self,
        restart: Restart | None = None,
        *,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        window: float = 60.0,
        timeout: float | None = None,
        name: str | None = None,
    ) -> Group:
        """Processes that end together, to be entered with `async with`.

        Leaving the block waits for those that have a task, and ends those that wait for messages.
        When one fails, or an exception leaves the block, the others are ended, and an
        ExceptionGroup is raised, as by `asyncio.TaskGroup`. `timeout` bounds one run of each, in
        seconds.

        With `restart`, "on-failure" or "always", they are the children of a supervisor of the
        kernel, called `name`, which starts them anew: at most `max_restarts` times in `window`
        seconds, together with those that `strategy` names ("one_for_one", "one_for_all",
        "rest_for_one"). They start together, when one of them is first awaited or the block ends.
        """
        from .group import Group

        if restart is None:
            return Group(self._link, timeout)
        from .supervised import SupervisedGroup

        return SupervisedGroup(
            self._link,
            timeout,
            restart=restart,
            strategy=strategy,
            max_restarts=max_restarts,
            window_s=window,
            name=name,
        )

    async def wait(self, *processes: Process[Any], timeout: float | None = None) -> list[Exit]:
        """How they ended, once all of them have. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return list(await asyncio.gather(*(one.wait() for one in processes)))

    async def pipe(
        self, *prompts: str, context: str | None = None, timeout: float | None = None
    ) -> str:
        """Agents in a row, each of which reads what the one before it says while it says it: the
        last one's answer. `context` is what the first one reads. Raises ProcessFailed for the first
        one that failed, and TimeoutError."""
        from .pipeline import piped

        async with asyncio.timeout(timeout):
            return await piped(self._link, prompts, context)

    # ---- syscalls -------------------------------------------------------------------------

    async def syscall(self, name: str, /, **arguments: Any) -> str:
        """Makes a syscall as the script's own process; what an agent would read. Raises
        SyscallFailed."""
        link = self._link
        request = {"pid": await link.guest(), "name": name, "arguments": arguments}
        result = await link.ask("call", **request)
        if not result.ok:
            raise SyscallFailed(name, result.text)
        return str(result.text)
