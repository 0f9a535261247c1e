"""Whom an answer goes to, as far as answers need it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from .. import messages
from ..bus import Subscriber
from ..process import Process


class Client(Protocol):
    """A client's connection."""

    def attach(self, pid: int, subscriber: Subscriber) -> None: ...

    def detach(self, pid: int) -> None: ...

    def send_event(self, event: messages.Event) -> None: ...

    def at_close(self, key: Hashable, action: Callable[[], None]) -> None:
        """Do it when the connection ends, unless that is forgotten before."""

    def forget(self, key: Hashable) -> None: ...

    def will_close(self, key: Hashable) -> bool: ...


def begun(process: Process, client: Client, attach: bool) -> dict[str, int]:
    """The answer about a new process, whose events go to the client if it wishes to `attach`."""
    # Its first step comes after this one: no event is missed.
    if attach:
        client.attach(process.pid, client.send_event)
    return {"pid": process.pid}
