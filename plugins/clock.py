"""The clock on the wall."""

from __future__ import annotations

from datetime import datetime

from ..syscalls import syscall

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@syscall(effect="pure")
async def now() -> str:
    """Tell the date and the time."""
    time = datetime.now()
    return f"{_DAYS[time.weekday()]} {time:%Y-%m-%d %H:%M:%S}"
