"""How much of the machine others use, so that training takes what is left and no more.

A thread that must share its core holds up all others at each of the hundreds of barriers of a
step: on a busy machine one thread is several times faster than two.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_STAT = Path("/proc/stat")


def _busy_seconds() -> float:
    """CPU seconds that all processes of the machine have spent since it started."""
    user, nice, system, _idle, _wait, interrupt, soft = (
        int(field) for field in _STAT.read_text().split(maxsplit=8)[1:8]
    )
    return (user + nice + system + interrupt + soft) / os.sysconf("SC_CLK_TCK")


class Load:
    """Measures between two calls; call it once a step."""

    def __init__(self) -> None:
        self._cores = os.cpu_count() or 1
        self._wall = self._own = self._all = 0.0

    def free_cores(self) -> int:
        """As many whole cores as nobody else used since the last call, at least one."""
        if not _STAT.exists():
            return self._cores
        wall, own, busy = time.monotonic(), time.process_time(), _busy_seconds()
        others = ((busy - self._all) - (own - self._own)) / max(wall - self._wall, 1e-3)
        self._wall, self._own, self._all = wall, own, busy
        return max(1, min(self._cores, int(self._cores - others + 0.65)))
