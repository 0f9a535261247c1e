"""A job: a number that the interactive shell gives to a process."""

from __future__ import annotations

from .output import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WIDEST_NAME = 60


class Job:
    """`state` and `mark` are what `refresh` last found, `heard` is what was shown of
    its answer. The private flags keep each stop from
    being told twice: we tell at once when we stop it, and the kernel's own news come later."""

    __slots__ = (
        *("_seen_stopped", "is_stopped", "in_foreground"),
        *("heard", "mark", "name", "number", "pid", "state", "work"),
    )

    def __init__(self, number: int, pid: int, name: str) -> None:
        self.number = number
        self.pid = pid
        self.name = one_line(name, WIDEST_NAME)
        self.state = self.mark = self.heard = ""
        self.work: Any = None
        """The pipeline (`interactive/pipeline.py`) whose first process it is, if it is one."""
        self.in_foreground = False
        self.is_stopped = False
        self._seen_stopped = False

    def stops(self) -> bool:
        """It is being stopped. False when that was told already."""
        known, self.is_stopped = self.is_stopped, True
        return not known

    def goes_on(self) -> None:
        self.is_stopped = self._seen_stopped = False

    def changed(self, state: str) -> bool:
        """The kernel's word. True if it is news that it has stopped."""
        if state == "stopped":
            self._seen_stopped = True
            return self.stops()
        if self._seen_stopped:
            self.goes_on()
        return False
