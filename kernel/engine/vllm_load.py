"""What vLLM's engine holds: reported by its scheduler, read in the kernel.

vLLM tells this to its loggers of statistics, which come with a Prometheus one that observes every
token of every request. Here its scheduler makes a small report at most so often, which travels with
the outputs of a step to `AsyncLLM`, and from there to its `logger_manager`: that is a `LoadReader`.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .driver import LOAD_S, Load

log = logging.getLogger(__name__)

OURS = "llmos"
"""The key of our report in a field of vLLM's statistics that is free to carry anything."""


class Reports:
    """In the EngineCore. A vLLM that lacks what this looks at makes none."""

    def __init__(self) -> None:
        self._last = -LOAD_S
        self._can = True

    def due(self, scheduler: Any) -> Any:
        """vLLM's `SchedulerStats` with our report, or None: the last one is not old, and there is
        still something that runs."""
        now = time.monotonic()
        if not self._can or (scheduler.running and now - self._last < LOAD_S):
            return None
        self._last = now
        try:
            return _report(scheduler)
        except Exception as error:
            log.warning("the engine does not tell its load: vLLM lacks %s", error)
            self._can = False
            return None


def _report(scheduler: Any) -> Any:
    from vllm.v1.metrics.stats import SchedulerStats

    pool = scheduler.kv_cache_manager.block_pool
    managers = scheduler.kv_cache_manager.coordinator.single_type_managers
    total = pool.num_gpu_blocks - 1  # one is a placeholder
    of = {
        one.request_id: sum(
            len(manager.req_to_blocks.get(one.request_id, ())) for manager in managers
        )
        for one in scheduler.running
    }
    report = {
        "running": len(scheduler.running),
        "waiting": len(scheduler.waiting),
        "blocks_used": total - pool.get_num_free_blocks(),
        "blocks_total": total,
        "blocks_of": of,
    }
    return SchedulerStats(kv_connector_stats={OURS: report})


class LoadReader:
    """In the kernel: stands where vLLM has its `StatLoggerManager`."""

    def __init__(self, blocks_total: int) -> None:
        self._nothing: Mapping[str, Any] = {
            **{"running": 0, "waiting": 0, "blocks_used": 0},
            **{"blocks_total": blocks_total, "blocks_of": {}},
        }
        self._last = self._nothing

    def record(self, *, scheduler_stats: Any = None, **_: Any) -> None:
        """vLLM calls this after each step."""
        carried = getattr(scheduler_stats, "kv_connector_stats", None)
        if carried and OURS in carried:
            self._last = carried[OURS]

    def record_admission_rejection(self, reason: str) -> None:
        """vLLM calls this when it refuses a request."""

    def load(self, owners: Mapping[str, int]) -> Load:
        """With the owners of the requests that are in flight, by the ids that vLLM was given. An
        engine that was told to abort its last one makes no step any more, and no report."""
        last = self._last if owners else self._nothing
        blocks_of: Counter[int] = Counter()
        for request_id, blocks in last["blocks_of"].items():
            # vLLM has put `-` and eight characters behind the id.
            owner = owners.get(request_id.rpartition("-")[0], owners.get(request_id))
            if owner is not None:
                blocks_of[owner] += blocks
        return Load(**{**last, "blocks_of": blocks_of})
