"""Alarms of the caller's: messages that it gets at a time."""

from __future__ import annotations

from ...syscalls.services import AlarmRecord
from ..timers import Timer
from .calling import Calling


class Alarms(Calling):
    """Set, or cancelled, when the result of the call is committed."""

    def set_alarm(self, text: str, seconds: float) -> AlarmRecord:
        """Raises EAGAIN."""
        timer, change = self._kernel.timers.set(self._caller, text, seconds=seconds)
        self._change(change)
        return _record(timer)

    def repeat_alarm(self, text: str, cron: str) -> AlarmRecord:
        """Raises EAGAIN, EINVAL."""
        timer, change = self._kernel.timers.set(self._caller, text, cron=cron)
        self._change(change)
        return _record(timer)

    def list_alarms(self) -> list[AlarmRecord]:
        return [_record(timer) for timer in self._kernel.timers.of(self._caller.pid)]

    def cancel_alarm(self, alarm: int) -> None:
        """Raises ENOENT."""
        self._change(self._kernel.timers.cancel(self._caller, alarm))


def _record(timer: Timer) -> AlarmRecord:
    return AlarmRecord(timer.id, timer.due, timer.cron, timer.text)
