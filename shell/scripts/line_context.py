"""What a verb gets in a script: what it starts is below the script's own process."""

from __future__ import annotations

from ..errors import Interrupted, Suspended, UsageError
from ..parentage import STARTS, below
from ..verb import Context, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from ...kernel.messages import ExitInfo
    from ..job import Job
    from ..output import Output
    from ..turn import TurnView

LIVE_ON = ("spawn", "fork", "up", "supervise")
"""Verbs whose processes are in the background from the beginning."""


class Below:
    """The process of a script, and what became of it and of what it has started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: int | None = None
        """Its exit status, if somebody or something has ended it."""
        self.is_stopped = False
        self.interrupted = False
        self.background: list[int] = []
        """Those that live on when it ends, in the order of their birth."""
        self.waited_for: list[int] = []
        """Those of them that `wait` waits for: they have a task, and end by themselves."""


class LineContext(Context):
    """The context of one line. It has the connection of the context that the script was started
    in, and notices what is told of the script's process."""

    def __init__(
        self,
        outer: Context,
        script: Below,
        args: argparse.Namespace,
        rest: list[str],
        out: Output,
        verb: str = "",
    ) -> None:
        super().__init__(args, rest, out, outer.paths)
        self.in_session = outer.in_session
        self.partner = outer.partner
        self._outer = outer
        self._below = script
        self._verb = verb

    # ---- the kernel -----------------------------------------------------------------------

    async def ask(self, op: str, **fields: Any) -> Any:
        fields = below(self._below.pid, op, fields)
        try:
            result = await self._outer.ask(op, **fields)
        except Interrupted:
            self._below.interrupted = True
            raise Interrupted from None
        if op in (*STARTS, "fork"):
            self._born(int(result.pid), fields)
        elif op == "wait" and fields["pid"] in self._below.waited_for:
            self._below.waited_for.remove(fields["pid"])
        return result

    def _born(self, pid: int, fields: dict[str, Any]) -> None:
        if self.in_background or (self._verb in LIVE_ON and not fields.get("attach")):
            self._below.background.append(pid)
            if fields.get("task") and not fields.get("interactive"):
                self._below.waited_for.append(pid)

    async def event(self, pid: int, timeout_s: float | None = None) -> Any:
        while True:
            try:
                event = await self._outer.event(pid, timeout_s)
                break
            except Suspended:  # nobody could let it go on
                continue
            except Interrupted:
                self._below.interrupted = True
                raise
        if pid == self._below.pid:
            if event.event == "exit":
                self._below.ended = int(event.status)
            elif event.event == "state":
                self._below.is_stopped = event.state == "stopped"
        return event

    async def wait_any(self, pids: Sequence[int], timeout_s: float | None = None) -> ExitInfo:
        try:
            return await self._outer.wait_any(pids, timeout_s)
        except Interrupted:
            self._below.interrupted = True
            raise Interrupted from None

    async def sleep(self, duration_s: float) -> None:
        try:
            await self._outer.sleep(duration_s)
        except Interrupted:
            self._below.interrupted = True
            raise Interrupted from None

    # ---- the shell ------------------------------------------------------------------------

    async def watch(self, pid: int, name: str) -> int:
        return await self._outer.watch(pid, name)

    def live_view(self, *, tells: bool) -> TurnView | None:
        return self._outer.live_view(tells=tells)

    async def with_terminal(self, command: list[str]) -> int:
        return await self._outer.with_terminal(command)

    async def jobs(self) -> list[Job]:
        return await self._outer.jobs()

    async def enter(self, pid: int | None, *, own: bool = False) -> Outcome:
        raise UsageError("a script has no prompt", f"@{pid or 'PID'} TEXT speaks to a process")
