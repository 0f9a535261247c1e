"""The clock on the wall."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from pydantic import Field

from ..syscalls import syscall

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOUR_S = 3600


@syscall(effect="pure")
async def now() -> str:
    """Tell the date and the time."""
    time = datetime.now()
    return f"{_DAYS[time.weekday()]} {time:%Y-%m-%d %H:%M:%S}"


@syscall(effect="pure", timeout=HOUR_S + 60, listed=False)
async def sleep(seconds: Annotated[float, Field(gt=0, le=HOUR_S)]) -> str:
    """Do nothing for some seconds, an hour at most.

    For longer, and to go on with other things meanwhile, there is `alarm`.
    """
    await asyncio.sleep(seconds)
    return f"slept {seconds:g} s"
