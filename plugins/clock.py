"""The clock on the wall, and what happens at a time."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from typing import Annotated

from pydantic import Field

from ..syscalls import AlarmRecord, Context, syscall
from ..syscalls.errno import EINVAL

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOUR_S = 3600
YEAR_S = 366 * 24 * HOUR_S

Text = Annotated[str, Field(min_length=1, max_length=4000)]


@syscall(effect="pure")
async def now() -> str:
    """Tell the date and the time."""
    return _told(datetime.now())


@syscall(effect="pure", timeout=HOUR_S + 60, listed=False)
async def sleep(seconds: Annotated[float, Field(gt=0, le=HOUR_S)]) -> str:
    """Do nothing for some seconds, an hour at most.

    For longer, and to go on with other things meanwhile, there is `alarm`.
    """
    await asyncio.sleep(seconds)
    return f"slept {seconds:g} s"


@syscall(effect="idempotent", listed=False)
async def alarm(
    ctx: Context,
    text: Text,
    seconds: Annotated[float | None, Field(gt=0, le=YEAR_S)] = None,
    at: str = "",
) -> str:
    """Get a message later: after some seconds, or at a time.

    The message comes as `(alarm) text`, and waits as any other until it is read: between two turns,
    or by `receive`. An alarm outlives the kernel's restarts, but not this process.

    Args:
        text: What the message says.
        seconds: After how many seconds.
        at: Or at which time: `17:30`, the next time that it is so late, or `2026-05-08 17:30`.
    """
    if (seconds is None) == (not at):
        raise EINVAL("give either seconds or at", hint="seconds=600, or at='17:30'")
    if seconds is None:
        seconds = _until(at, datetime.now())
    return _set(ctx.services.set_alarm(text, seconds))


@syscall(effect="idempotent", listed=False)
async def alarm_cron(ctx: Context, text: Text, cron: str) -> str:
    """Get a message again and again, at the times that a cron expression names.

    Args:
        text: What the messages say.
        cron: Minute, hour, day, month and weekday: `*/15 * * * *`, `0 9 * * MON-FRI`.
    """
    return _set(ctx.services.repeat_alarm(text, cron))


@syscall(effect="pure", listed=False)
async def alarm_list(ctx: Context) -> str:
    """List the alarms of this process, the next first."""
    return "\n".join(map(_line, ctx.services.list_alarms())) or "there are none"


@syscall(effect="idempotent", listed=False)
async def alarm_cancel(ctx: Context, alarm: int) -> str:
    """Cancel an alarm, by its number."""
    ctx.services.cancel_alarm(alarm)
    return f"cancelled alarm {alarm}"


def _until(at: str, now: datetime) -> float:
    """Seconds. Raises EINVAL."""
    try:
        if ":" in at and len(at.strip()) <= len("hh:mm:ss"):
            when = datetime.combine(date.today(), time.fromisoformat(at.strip()))
            when += timedelta(days=when <= now)
        else:
            when = datetime.fromisoformat(at.strip())
            when = when.astimezone().replace(tzinfo=None) if when.tzinfo else when
    except ValueError:
        raise EINVAL(f"at: not a time: {at!r}", hint="17:30, or 2026-05-08 17:30") from None
    seconds = (when - now).total_seconds()
    if not 0 < seconds <= YEAR_S:
        raise EINVAL(f"at: {at} is over, or more than a year away; it is {_told(now)}")
    return seconds


def _set(record: AlarmRecord) -> str:
    return f"alarm {record.number} at {_told(datetime.fromtimestamp(record.due))}"


def _line(record: AlarmRecord) -> str:
    again = f" ({record.cron})" if record.cron else ""
    return f"{record.number} at {_told(datetime.fromtimestamp(record.due))}{again}: {record.text}"


def _told(time: datetime) -> str:
    return f"{_DAYS[time.weekday()]} {time:%Y-%m-%d %H:%M:%S}"
