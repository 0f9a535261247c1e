"""vLLM's scheduler, but who is interactive goes first: requests of a priority below 0.

vLLM computes a prompt in a step with all others, so that a first token waits for the step that is
under way and then takes as long as the largest step there is. Here, instead:

- An interactive prompt is computed in steps of its own, at once; those that run are left out of
  them, which costs them nothing but that time: their blocks stay theirs.
- While a person is at it, a step is not much longer than one with hardly anything in it. How long
  steps take is measured as they come (`step_times.py`), so that a GPU, on which a step of many
  takes hardly longer than a step of few, is not held back.

Runs in the EngineCore. Without interactive requests everything is as in vLLM.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.request_queue import SchedulingPolicy, create_request_queue
from vllm.v1.core.sched.scheduler import Scheduler

from .step_times import ATTENTION_S, StepTimes
from .vllm_load import Reports

log = logging.getLogger(__name__)

GRAMMAR_S = 0.02
"""How long a step waits for an interactive request's grammar, which is mostly there at once."""


NEEDED = (
    *("running", "waiting", "policy", "kv_cache_manager", "block_size"),
    *("max_num_active_reqs", "max_num_scheduled_tokens"),
)


class InteractiveFirst:
    """Mixed into a scheduler of vLLM's. One that lacks what this looks at is left as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        missing = [name for name in NEEDED if not hasattr(self, name)]
        if missing:
            log.warning("no interactive request goes first: vLLM lacks %s", ", ".join(missing))
        self._can = not missing
        self._times = StepTimes()
        self._begun: list[tuple[float, int]] = []  # of steps whose output is not there
        self._heard = -ATTENTION_S
        self._reports = Reports()

    def add_request(self: Any, request: Any) -> None:
        super().add_request(request)  # type: ignore[misc]
        if self._can and request.priority < 0:
            self.waiting.remove_request(request)
            self.waiting.prepend_request(request)

    def schedule(self: Any, *args: Any, **kwargs: Any) -> Any:
        plain = super().schedule  # type: ignore[misc]
        if not self._can:
            return plain(*args, **kwargs)
        now = time.monotonic()
        running = [one for one in self.running if one.priority < 0]
        waiting = [one for one in self.waiting if one.priority < 0]
        if running or waiting:
            self._heard = now
        prefilling = [one for one in running if one.num_computed_tokens < one.num_prompt_tokens]
        if (prefilling or waiting) and self._has_room(waiting) and all(map(_is_ready, waiting)):
            with self._alone(prefilling, waiting):
                output = plain(*args, **kwargs)
        elif now - self._heard < ATTENTION_S:
            with self._bounded():
                output = plain(*args, **kwargs)
        else:
            output = plain(*args, **kwargs)
        if output.total_num_scheduled_tokens:
            self._begun.append((now, output.total_num_scheduled_tokens))
        return output

    def update_from_output(self: Any, scheduler_output: Any, model_output: Any) -> Any:
        outputs = super().update_from_output(scheduler_output, model_output)  # type: ignore[misc]
        if scheduler_output.total_num_scheduled_tokens and self._begun:
            began, tokens = self._begun.pop(0)
            self._times.add(tokens, time.monotonic() - began)
        return outputs

    def make_stats(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Beside vLLM's own, which a logger has to be configured for, our report of the load."""
        stats = super().make_stats(*args, **kwargs)  # type: ignore[misc]
        return stats if stats is not None else self._reports.due(self)

    def _has_room(self: Any, waiting: list[Any]) -> bool:
        """For these, without anybody else's blocks?"""
        wanted = sum(one.num_tokens // self.block_size + 2 for one in waiting)
        return bool(wanted <= self.kv_cache_manager.block_pool.get_num_free_blocks())

    @contextlib.contextmanager
    def _alone(self: Any, prefilling: list[Any], waiting: list[Any]) -> Iterator[None]:
        """Only these are there to be scheduled."""
        others = [one for one in self.running if one not in prefilling]
        queue, slots = self.waiting, self.max_num_active_reqs
        queue.remove_requests(waiting)
        self.waiting = create_request_queue(self.policy)
        for one in waiting:
            self.waiting.add_request(one)
        self.running, self.max_num_active_reqs = prefilling, slots - len(others)
        try:
            yield
        finally:
            queue.prepend_requests(self.waiting)
            self.waiting, self.max_num_active_reqs = queue, slots
            self.running = others + self.running

    @contextlib.contextmanager
    def _bounded(self: Any) -> Iterator[None]:
        """A step of few tokens: those of the interactive ones, then of who was admitted first."""
        most = self.max_num_scheduled_tokens
        self.max_num_scheduled_tokens = min(most, self._times.short(most))
        self.running.sort(key=lambda one: one.priority)
        try:
            yield
        finally:
            self.max_num_scheduled_tokens = most


class InteractiveFirstScheduler(InteractiveFirst, Scheduler):  # type: ignore[misc]
    """Of an engine that schedules a step when the one before is done."""


class InteractiveFirstAsyncScheduler(InteractiveFirst, AsyncScheduler):  # type: ignore[misc]
    """Of one that schedules ahead."""


def attend(config: Any) -> bool:
    """Have the engine of this configuration use it, if none was asked for. Does it?"""
    scheduling = config.scheduler_config
    if scheduling.scheduler_cls is None and scheduling.policy == SchedulingPolicy.FCFS.value:
        log.info("interactive requests go first, before vLLM's order")
        ahead = scheduling.async_scheduling
        scheduling.scheduler_cls = (
            InteractiveFirstAsyncScheduler if ahead else InteractiveFirstScheduler
        )
        return True
    return False


def _is_ready(request: Any) -> bool:
    """Is there the grammar that its answer has to follow?"""
    structured = request.structured_output_request
    deadline = time.monotonic() + GRAMMAR_S
    while structured is not None and not structured.is_grammar_ready:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0002)
    return True
