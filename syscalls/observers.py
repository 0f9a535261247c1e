"""Tells plugins of the calls that they observe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .dispatch import Observer, Trap
from .host import PluginHost
from .observing import Observed
from .wire import Observe

Event = Literal["before", "after", "failed"]

HOOKS: dict[str, Event] = {
    "llmos_before_syscall": "before",
    "llmos_after_syscall": "after",
    "llmos_syscall_failed": "failed",
}


class PluginObservers(Observer):
    """Of a kernel; costs nothing while no plugin observes."""

    def __init__(self) -> None:
        self._hosts: dict[Event, list[PluginHost]] = {event: [] for event in HOOKS.values()}

    def are(self, plugins: Sequence[tuple[PluginHost, Sequence[str]]]) -> None:
        """The hosts of all plugins, with the hooks that each implements."""
        self._hosts = {
            event: [host for host, hooks in plugins if hook in hooks]
            for hook, event in HOOKS.items()
        }

    def before(self, trap: Trap) -> None:
        self._tell("before", trap, "")

    def after(self, trap: Trap, text: str) -> None:
        self._tell("after", trap, text)

    def on_error(self, trap: Trap, error: BaseException) -> None:
        self._tell("failed", trap, str(error) or type(error).__name__)

    def _tell(self, event: Event, trap: Trap, text: str) -> None:
        hosts = self._hosts[event]
        if not hosts:
            return
        call = Observed(
            pid=trap.ctx.pid,
            call_id=trap.ctx.call_id,
            name=trap.spec.name,
            plugin=trap.spec.plugin,
            arguments=dict(trap.arguments),
        )
        for host in hosts:
            host.observe(Observe(event=event, call=call, text=text))
