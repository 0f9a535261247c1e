"""One mount at work: its bridge, started and started again, and its calls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..child import Child
from ..context import Context
from ..desk import Desk, no_secrets
from ..errno import EAGAIN, EINTR, ENOSYS, EPERM, ETIME, LoadError
from ..host import DEFAULT_LIMITS, HostLimits
from ..spec import SyscallSpec
from ..table import Entry
from ..wire import Loaded, Source
from .approvals import Approvals, digest
from .settings import Mount

START_S = 70.0
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 60.0
STEADY_S = 60.0
"""A bridge that has lived so long has a new start: the next delay is the first again."""

LINES = 50
"""Of what the server has printed, so many are kept."""

LAST_LINES = 2
MAYBE = "what it was doing may or may not have happened"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

State = Literal["asks", "starting", "up", "down"]
Standing = Literal["approved", "new", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A syscall as it is offered now, or was, and how that stands to what was agreed to."""

    spec: SyscallSpec
    standing: Standing


class BridgeProcess(Child):
    MODULE = f"{__package__}.bridge"

    changed: Callable[[], None] = staticmethod(lambda: None)

    def loaded_again(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.changed()

    async def ended(self) -> None:
        assert self._listening is not None
        await asyncio.wait([self._listening])


class Mounted:
    """Held by the mount table, which is told by `publish` when there are other syscalls. Runs
    them: `run` is a `Runner`'s."""

    def __init__(
        self,
        mount: Mount,
        approvals: Approvals,
        publish: Callable[[Mounted], None],
        limits: HostLimits = DEFAULT_LIMITS,
    ) -> None:
        self.mount = mount
        self.state: State = "starting"
        self.fault = ""
        self.load_ms = 0.0
        self.restarts = 0
        self.known = asyncio.Event()
        """It is known what it offers, or that it cannot be known for now."""
        self._approvals = approvals
        self._publish = publish
        self._limits = limits
        self._live: dict[str, SyscallSpec] | None = None
        self._child: BridgeProcess | None = None
        self._settled = asyncio.Event()
        """It is up or down, and does not start."""
        self._permitted = asyncio.Event()
        self._chores: set[asyncio.Task[None]] = set()
        self._printed = _Printed()
        log = logging.getLogger("llmos.plugins").getChild(mount.name)
        log.setLevel(logging.INFO)
        log.handlers[:] = [self._printed]
        if approvals.of(mount.name) is not None:
            self.known.set()
        self._consider()

    @property
    def output(self) -> list[str]:
        """The last lines that the server has printed."""
        return list(self._printed.lines)

    # ---- what it offers, and what of it was agreed to -------------------------------------

    def tools(self) -> list[Tool]:
        """By name."""
        approved = self._approved()
        if self._live is None:
            return [Tool(spec, "approved") for spec in approved.values()]
        tools = []
        for name in sorted(approved.keys() | self._live.keys()):
            live, agreed = self._live.get(name), approved.get(name)
            if live is None:
                assert agreed is not None
                tools.append(Tool(agreed, "gone"))
            elif agreed is None:
                tools.append(Tool(live, "new"))
            else:
                same = digest(live) == digest(agreed)
                tools.append(Tool(live, "approved") if same else Tool(live, "changed"))
        return tools

    def agreed(self, name: str) -> SyscallSpec | None:
        """A syscall as it was agreed to."""
        return self._approved().get(name)

    def entries(self) -> list[Entry]:
        """What processes may name. A changed one stays as it was agreed to, and a call of it says
        what has happened; no model reads the new words."""
        approved = self._approved()
        return [
            Entry(tool.spec if tool.standing == "approved" else approved[tool.spec.name], self)
            for tool in self.tools()
            if tool.standing in ("approved", "changed")
        ]

    @property
    def error(self) -> str:
        """Why it, or a part of it, is not in use; or ''."""
        name = self.mount.name
        if self.state == "asks":
            return (
                f"{self.mount.origin} came with the folder, and would run `{self.mount.what}`:"
                f" llmos mcp approve {name} allows it"
            )
        down = self.state != "up" and bool(self.fault)
        words = [f"it does not run: {self.fault}"] if down else []
        for standing, said in (("changed", "described otherwise than approved"), ("new", "new")):
            names = [t.spec.name for t in self.tools() if t.standing == standing]
            if names:
                words.append(f"{said}, and not in use: {', '.join(names)}")
        if words and not down:
            words.append(f"llmos mcp show {name} shows them, llmos mcp approve {name} allows them")
        return "; ".join(words)

    def approve(self) -> list[Tool]:
        """Agree to all that it offers, or to its being run; the syscalls that come into use.
        Raises EAGAIN, OSError."""
        mount = self.mount
        if self.state == "asks":
            self._approvals.agree(mount.name, mount.fingerprint, None)
            self._consider()
            return []
        if self._live is None:
            raise EAGAIN(f"{mount.name} is not running: {self.fault or 'it starts'}")
        fresh = [tool for tool in self.tools() if tool.standing in ("new", "changed")]
        self._approvals.agree(mount.name, mount.fingerprint, self._live.values())
        self._publish(self)
        return fresh

    def _approved(self) -> Mapping[str, SyscallSpec]:
        """By name, with what the settings say today."""
        approved = self._approvals.of(self.mount.name)
        today = {"timeout_s": self.mount.timeout_s}
        specs = (approved.specs if approved else None) or {}
        return {name: spec.model_copy(update=today) for name, spec in specs.items()}

    def _consider(self) -> None:
        """May it run?"""
        approved = self._approvals.of(self.mount.name)
        agreed = approved is not None and approved.fingerprint == self.mount.fingerprint
        if self.mount.trusted or agreed:
            self.state = "starting"
            self._permitted.set()
        else:
            self.state = "asks"
            self.known.set()

    def _arrived(self, specs: tuple[SyscallSpec, ...]) -> None:
        """It says what it offers; the first time that is agreed to."""
        prefix = f"{self.mount.name}."
        self._live = {
            spec.name: spec
            for spec in specs
            if spec.plugin == self.mount.name
            and spec.name.startswith(prefix)
            and _NAME.fullmatch(spec.name)
        }
        approved = self._approvals.of(self.mount.name)
        if (approved is None or approved.specs is None) and not self._approvals.damaged:
            with contextlib.suppress(OSError):  # then they wait for somebody to agree
                self._approvals.agree(self.mount.name, self.mount.fingerprint, self._live.values())
        self._publish(self)

    # ---- its bridge -----------------------------------------------------------------------

    async def follow(self) -> None:
        """Keep it running, until cancelled."""
        await self._permitted.wait()
        delay_s = FIRST_DELAY_S
        try:
            while True:
                began = time.monotonic()
                await self._live_once(began)
                self.known.set()
                if time.monotonic() - began > STEADY_S:
                    delay_s = FIRST_DELAY_S
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, LONGEST_DELAY_S)
                self.restarts += 1
        finally:
            await self._end()

    async def _live_once(self, began: float) -> None:
        self.state = "starting"
        self._settled.clear()
        mount = self.mount
        source = Source(plugin=mount.name, mount=mount.model_dump_json())
        try:
            child = await BridgeProcess.start(
                mount.name, [source], self._limits.max_output, self._limits.max_memory, START_S
            )
        except (LoadError, OSError) as error:
            self._go_down(str(error))
            return
        self._child = child
        child.changed = lambda: self._arrived(child.loaded.specs)
        self.state, self.fault = "up", ""
        self.load_ms = (time.monotonic() - began) * 1000
        self._arrived(child.loaded.specs)
        self._settled.set()
        self.known.set()
        await child.ended()
        self._go_down(child.fault.message if child.fault else "it ended")
        await self._end()

    def _go_down(self, fault: str) -> None:
        last = " / ".join(list(self._printed.lines)[-LAST_LINES:])
        self.state, self.fault = "down", f"{fault}; it last said: {last}" if last else fault
        self._settled.set()

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.end()
        if self._chores:
            await asyncio.wait(self._chores)

    # ---- calls ----------------------------------------------------------------------------

    async def run(
        self, name: str, arguments: Mapping[str, Any], ctx: Context, timeout_s: float
    ) -> str:
        try:
            async with asyncio.timeout(timeout_s):
                child, spec = await self._ready(name)
                desk = Desk(spec, ctx.kernel, no_secrets)
                id, future = child.call(
                    name, dict(arguments), ctx.pid, ctx.call_id, str(ctx.root), desk
                )
                try:
                    return await asyncio.shield(future)
                finally:
                    if not future.done():
                        self._begin(self._cancel(child, id))
        except TimeoutError:
            raise ETIME(f"{name} ran longer than {timeout_s:g} s and was stopped") from None

    async def _ready(self, name: str) -> tuple[BridgeProcess, SyscallSpec]:
        """The bridge, once it is up, and what is called. Raises EAGAIN, ENOSYS, EPERM."""
        server = self.mount.name
        if self.state == "asks":
            raise EPERM(f"{server} is not approved", hint=f"llmos mcp approve {server}")
        await self._settled.wait()
        child = self._child
        if child is None or not child.alive:
            raise EAGAIN(f"{server} is not running: {self.fault}", hint="it is started again soon")
        tool = next((tool for tool in self.tools() if tool.spec.name == name), None)
        if tool is None or tool.standing in ("new", "gone"):
            raise ENOSYS(f"{server} no longer has {name}")
        if tool.standing == "changed":
            raise EPERM(
                f"{server} describes {name} otherwise than when it was approved",
                hint=f"llmos mcp show {server} shows how, llmos mcp approve {server} allows it",
            )
        return child, tool.spec

    async def _cancel(self, child: BridgeProcess, id: int) -> None:
        if not await child.cancel(id, self._limits.grace_s):
            child.kill(EINTR(f"the bridge to {self.mount.name} hung, and was ended", hint=MAYBE))

    def _begin(self, chore: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


class _Printed(logging.Handler):
    """Keeps the last lines of a server's log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
