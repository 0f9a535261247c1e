"""The session's agent: the process that gets what is typed and is no verb."""

from __future__ import annotations

import asyncio
import os
import sys

from ..async_client import AsyncClient
from ..catching_up import is_unanswered, pages_before
from ..client import Record
from ..engine import still_loading
from ..errors import KernelError, ShellError
from ..following import exit_line
from ..live.paper import is_rendered
from ..output import columns_of
from ..turn import TurnView
from ..verbs.processes import page_text
from .job_table import Jobs
from .stage import Place, Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...kernel.messages import AttachInfo, KernelStatus, PageInfo
    from ..live.folds import Folds

OWN_NAME = "shell"
REPLAYED_PAGES = 6
REAP_S = 5.0
BETWEEN_TURNS = "a message"
"""What an interactive process waits for when its turn is over (`ProcessInfo.waits_for`)."""


class Conversation:
    """Talks to one process: spawned at the first text, or chosen by `attach`."""

    def __init__(self, client: AsyncClient, stage: Stage, jobs: Jobs, folds: Folds) -> None:
        self._client = client
        self._stage = stage
        self._folds = folds
        self.place = Place(stage)
        self._jobs = jobs
        self.pid: int | None = None
        self._name = OWN_NAME
        self._spawned_here = False
        self._in_turn = False
        self._muted = False
        """True after Ctrl-C until the kernel says that the turn is over."""
        self._stopped = False
        self._missed: list[Any] | None = None
        """While the agent is stopped or in the background: what it has said; else None."""
        self._early: list[Any] | None = None
        """Events that came before the reply that tells us their pid; None when none is due."""
        self._turn_over = asyncio.Event()
        self._turn_over.set()
        self._view = self._new_view()

    # ---- speaking -------------------------------------------------------------------------

    async def say(self, text: str) -> None:
        """Sends the text, and shows the turn until it is over, unless the engine still loads."""
        self._turn_over.clear()
        try:
            await self._send(text)
            if self._stopped:
                self._in_turn = True
                self._turn_over.set()
                self._stage.note(f"process {self.pid} is stopped: fg lets it go on and read this")
                return
            self._catch_up()
            engine = (await self._status()).engine
        except BaseException:
            self._turn_over.set()
            raise
        if engine.state in ("ready", "failed"):
            await self.follow()
        else:
            self._stage.note(still_loading(engine))

    async def follow(self) -> None:
        """Until the turn is over, was interrupted, or the kernel is gone."""
        await self._turn_over.wait()

    async def interrupt(self) -> None:
        """Ctrl-C: the turn ends, what was said stays, and the prompt is back at once."""
        self._view.end()
        self._stage.note("interrupted")
        self._muted = self._in_turn
        self._turn_over.set()
        if self.pid is not None:
            await self._client.ask("kill", pid=self.pid, signal="INT")

    def step_aside(self) -> bool:
        """Ctrl-Z: the prompt is back at once, and the agent is a job. False if there is none."""
        if self.pid is None:
            return False
        self._view.end()
        self._stopped, self._missed = True, self._missed or []
        self._turn_over.set()
        self._jobs.stopped(self.pid, self._name)
        return True

    async def stop(self) -> None:
        if self.pid is not None:
            await self._client.ask("kill", pid=self.pid, signal="STOP")

    async def come_back(self) -> bool:
        """The agent goes on in the foreground. True if it is in the middle of a turn."""
        self._stopped = False
        if self._in_turn:
            self._turn_over.clear()
        in_turn = self._in_turn
        self._catch_up()
        await self._client.ask("kill", pid=self.pid, signal="CONT")
        if not in_turn:
            self._stage.note(f"process {self.pid} waits for a message")
        return in_turn

    def _catch_up(self) -> None:
        """Shows what was said while nobody looked."""
        missed, self._missed = self._missed or [], None
        if self.pid is not None:
            self._jobs.remove(self.pid)
        for event in missed:
            self._view.show(event)

    async def _send(self, text: str) -> None:
        if self.pid is not None:
            try:
                await self._client.ask("send", pid=self.pid, text=text)
                return
            except KernelError as error:
                if error.code != "ESRCH":
                    raise
                self._stage.note(f"process {self.pid} has ended; a new one takes over")
        self._early = []
        spawned = await self._client.ask(
            "spawn", task=text, root=os.getcwd(), name=OWN_NAME, interactive=True, attach=True
        )
        self._name = OWN_NAME
        self._talk_to(spawned.pid, spawned_here=True)

    async def _status(self) -> KernelStatus:
        status: KernelStatus = await self._client.ask("status")
        return status

    # ---- changing partners ----------------------------------------------------------------

    @property
    def is_speaking(self) -> bool:
        """Is it in the middle of a turn that can be followed?"""
        return self._in_turn and not self._stopped

    async def attach(self, pid: int) -> None:
        """Talks to another process from here on, after a look at its last pages, and at what it
        has said so far of the turn under way."""
        if pid == self.pid or pid in self._jobs:  # else what it says meanwhile would come twice
            await self._client.ask("detach", pid=pid)
        self._early = []
        info: AttachInfo = await self._client.ask("attach", pid=pid)
        if info.exit_status is not None:
            raise KernelError(
                "ESRCH",
                f"process {pid} has ended (exit {info.exit_status})",
                f"resume {pid} goes on with what was said, logs {pid} shows it",
            )
        if self.pid not in (None, pid):
            await self._client.ask("detach", pid=self.pid)
        pages = pages_before(info, (await self._client.ask("logs", pid=pid)).pages)
        self._replay(pages)
        self._name = info.name or info.program
        others = {1: "", 2: "; somebody else is attached too"}.get(
            info.watchers, f"; {info.watchers - 1} others are attached too"
        )
        self._stage.note(f"attached to process {pid} ({self._name}), {info.state}{others}")
        if not info.interactive:
            self._stage.note("it works on its task and takes no messages; it ends with its answer")
        early, self._early = self._early, None
        self._talk_to(pid, spawned_here=False)
        if info.said:
            self._view.show(Record(event="text", pid=pid, text=info.said))
        self._in_turn = info.waits_for != BETWEEN_TURNS and is_unanswered(pages)
        self._stopped = info.state == "stopped"
        if self.is_speaking:
            self._turn_over.clear()
        for event in early or []:
            self.on_event(event)

    def is_own(self, own: bool) -> None:
        """Does the agent end with this shell?"""
        self._spawned_here = own

    async def rejoin(self) -> None:
        """After the kernel came back: on with the same process, if it came back too."""
        if self.pid is None:
            return
        try:
            await self._client.ask("attach", pid=self.pid)
        except KernelError as error:
            self._stage.note(f"{error.message}; the next text starts a new agent")
            self._talk_to(None, spawned_here=False)

    async def leave(self) -> None:
        """Ends and reaps the agent if it is this shell's own."""
        pid, self.pid = self.pid, None
        if pid is None or not self._spawned_here:
            return
        try:
            await self._client.ask("kill", pid=pid, signal="TERM")
            await self._client.ask("wait", pid=pid, timeout_s=REAP_S)
        except ShellError as error:
            self._stage.note(error.message)

    def lost(self) -> None:
        """The kernel is gone."""
        self._view.end()
        self._muted = False
        self._in_turn = self._in_turn and self._missed is not None
        self._turn_over.set()

    def _talk_to(self, pid: int | None, *, spawned_here: bool) -> None:
        self.pid, self._spawned_here = pid, spawned_here
        self._in_turn = self._muted = self._stopped = False
        self._missed = None
        self._view = self._new_view()
        early, self._early = self._early or [], None
        for event in early:
            self.on_event(event)

    def _replay(self, pages: list[PageInfo]) -> None:
        left_out = len(pages) - REPLAYED_PAGES
        if left_out > 0:
            self._stage.note(f"({left_out} earlier pages: logs shows them)")
        for page in pages[-REPLAYED_PAGES:]:
            self._stage.note(page_text(page) + "\n", style="")

    # ---- listening ------------------------------------------------------------------------

    def on_event(self, event: Any) -> None:
        """An event of our process. While the prompt stands empty, it makes way for the answer."""
        if event.pid != self.pid:
            if self._early is not None:
                self._early.append(event)
            return
        self._in_turn = _goes_on(event, self._in_turn)
        if event.event == "state":
            self._changed(event.state)
        if self._muted:
            self._muted = self._in_turn
        elif self._missed is not None:
            self._miss(event)
        else:
            if event.event in ("text", "call"):
                self._begin()
            self._view.show(event)
        if event.event == "exit":
            self._ended(event)
        if event.event in ("turn", "exit"):
            self._turn_over.set()

    def _changed(self, state: str) -> None:
        """It may be stopped, and let go on, by anybody."""
        if state == "stopped" and not self._stopped:
            self.step_aside()
        if self.pid is not None:
            self._stopped = self._jobs.counts_as_stopped(self.pid, state)

    def _miss(self, event: Any) -> None:
        """Keeps what happens while the agent is a job; tells when its turn is over."""
        assert self._missed is not None and self.pid is not None
        self._missed.append(event)
        if event.event == "turn":
            self._missed = None
            self._jobs.done(self.pid, event.text)
        elif not self._in_turn and not self._stopped:
            self._missed = None
            self._jobs.remove(self.pid)

    def _begin(self) -> None:
        """The agent speaks unasked, or answers what was asked while the engine loaded."""
        self._turn_over.clear()
        self._stage.make_way()

    def _ended(self, event: Any) -> None:
        self._view.end()
        self._jobs.remove(event.pid)
        self._stage.note(exit_line(event.pid, event.status, ""))
        self._talk_to(None, spawned_here=False)

    def _new_view(self) -> TurnView:
        if not is_rendered(sys.stdout):
            return TurnView(
                self._stage.write,
                lambda text: self._stage.write(text, "dim"),
                lambda: columns_of(sys.stdout),
            )
        from ..live.view import LiveView

        return LiveView(self.place, self._folds)


def _goes_on(event: Any, in_turn: bool) -> bool:
    """Whether a turn is under way after this event."""
    if event.event in ("turn", "exit"):
        return False
    if event.event == "state":
        if event.state == "stopped":  # it says nothing about the turn
            return in_turn
        return bool(event.waits_for != BETWEEN_TURNS)
    return True
