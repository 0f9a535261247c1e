"""Continuous batching as vLLM does it (0.32: v1/core/sched/scheduler.py), without the model.

A step computes at most so many tokens: first those of the sequences that run, in the order of
their admission (one token each, or the next chunk of a prompt), then those of sequences that wait,
as long as slots, blocks and tokens are left. When a running sequence finds no block, the one that
was admitted last is preempted: its blocks are free, it waits as the first, and is computed again,
but for what is still in the prefix cache by then. Interactive sequences go first, as in
`vllm_scheduler.py`.
"""

from __future__ import annotations

from collections import deque

from .driver import Capacity, Costs
from .prefix import PrefixCache, Running
from .step_times import ATTENTION_S, StepTimes

__all__ = ["Batch", "Batched", "Costs"]


class Batched:
    """A sequence: what is known of its tokens, and how many of them are computed."""

    def __init__(self, token_ids: tuple[int, ...], *, interactive: bool = False) -> None:
        self.interactive = interactive
        self.num_prompt_tokens = len(token_ids)
        self.token_ids = list(token_ids)
        self.tokens_cached = 0
        """Of those that were known at its first admission."""
        self.computed = 0
        self._held: Running | None = None
        self._begun = False

    @property
    def is_prefilled(self) -> bool:
        return self.computed >= self.num_prompt_tokens

    @property
    def is_computed(self) -> bool:
        """Does the next token follow?"""
        return self.computed == len(self.token_ids)

    @property
    def num_blocks(self) -> int:
        return 0 if self._held is None else self._held.num_blocks

    def generated(self, token_id: int) -> None:
        self.token_ids.append(token_id)
        if self._held is not None:
            self._held.append((token_id,))

    # ---- for the batch --------------------------------------------------------------------

    def admit(self, cache: PrefixCache, budget: int) -> int:
        """Tokens that the step computes of it. Raises MemoryError."""
        self._held = cache.begin(self.token_ids, num_tokens=budget)
        cached = self._held.num_cached
        if not self._begun:
            self.tokens_cached, self._begun = cached, True
        tokens = min(budget, len(self.token_ids) - cached)
        self.computed = cached + tokens
        return tokens

    def go_on(self, budget: int) -> int:
        """The same, of one that was admitted before. Raises MemoryError."""
        assert self._held is not None
        tokens = min(budget, len(self.token_ids) - self.computed)
        self._held.compute(self.computed + tokens)
        self.computed += tokens
        return tokens

    def release(self) -> None:
        if self._held is not None:
            self._held.end()
        self._held, self.computed = None, 0


class Batch:
    """The sequences of an engine of some capacity; those of an endless cache if it says none."""

    def __init__(self, capacity: Capacity, costs: Costs) -> None:
        self.num_preempted = 0
        self._capacity, self._costs = capacity, costs
        tokens = capacity.kv_cache_tokens or 64 * capacity.max_num_seqs * capacity.window_tokens
        self._cache = PrefixCache(1 + tokens // capacity.block_tokens, capacity.block_tokens)
        self._waiting: deque[Batched] = deque()
        self._running: list[Batched] = []
        self._times = StepTimes()
        self._heard = -ATTENTION_S  # of somebody interactive

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def num_blocks(self) -> int:
        """That sequences hold, each once."""
        return self._cache.num_held

    def add(self, sequence: Batched) -> None:
        self._waiting.append(sequence)

    def remove(self, sequence: Batched) -> None:
        """Nothing, if it is not in there."""
        sequence.release()
        if sequence in self._running:
            self._running.remove(sequence)
        elif sequence in self._waiting:
            self._waiting.remove(sequence)

    def predict(self, token_ids: tuple[int, ...]) -> int:
        """Tokens of a prompt that are in the prefix cache now."""
        return self._cache.predict(token_ids)

    def step(self, now: float = 0.0) -> tuple[list[Batched], float]:
        """The sequences of the next step, and the seconds that it takes."""
        budget = self._capacity.max_batched_tokens
        running, waiting = list(self._running), list(self._waiting)
        people = [one for one in (*running, *waiting) if one.interactive]
        urgent = [one for one in people if not one.is_prefilled]
        if people:
            self._heard = now
            running.sort(key=lambda one: not one.interactive)
            waiting.sort(key=lambda one: not one.interactive)
        if urgent and self._has_room(urgent):
            running, waiting = (
                [one for one in all_ if one in urgent] for all_ in (running, waiting)
            )
        elif now - self._heard < ATTENTION_S:
            budget = self._times.short(budget)
        work = self._fill(running, waiting, budget)
        seconds = self._seconds(work)
        if work:
            self._times.add(sum(work.values()), seconds)
        return list(work), seconds

    def _has_room(self, urgent: list[Batched]) -> bool:
        """For these, without anybody else's blocks?"""
        size = self._capacity.block_tokens
        wanted = sum(len(one.token_ids) // size + 2 for one in urgent if one not in self._running)
        return wanted <= self._cache.num_unheld

    def _fill(
        self, running: list[Batched], waiting: list[Batched], budget: int
    ) -> dict[Batched, int]:
        """Tokens of each in the next step."""
        capacity = self._capacity
        work: dict[Batched, int] = {}
        preempted = False
        for sequence in running:
            if budget and sequence in self._running and not preempted:
                tokens, preempted = self._go_on(sequence, budget, work)
                budget -= tokens
        for sequence in waiting:
            if preempted or not budget:
                break
            if len(self._running) == capacity.max_num_seqs + capacity.interactive_seqs:
                break
            try:
                tokens = sequence.admit(self._cache, budget)
            except MemoryError:
                break
            self._waiting.remove(sequence)
            self._running.append(sequence)
            work[sequence] = tokens
            budget -= tokens
        return work

    def _go_on(self, sequence: Batched, budget: int, work: dict[Batched, int]) -> tuple[int, bool]:
        """(tokens, was somebody preempted for it?)"""
        preempted = False
        while True:
            try:
                tokens = work[sequence] = sequence.go_on(budget)
                return tokens, preempted
            except MemoryError:
                preempted = True
                victim = self._running.pop()
                victim.release()
                self.num_preempted += 1
                self._waiting.appendleft(victim)
                work.pop(victim, None)
                if victim is sequence:
                    return 0, True

    def _seconds(self, work: dict[Batched, int]) -> float:
        costs = self._costs
        seconds = costs.step_s + len(work) * costs.sequence_s
        for sequence, tokens in work.items():
            seconds += tokens * costs.token_s
            if tokens == 1:
                seconds += sequence.computed * costs.decode_s
            else:
                seconds += tokens * (sequence.computed - tokens / 2) * costs.prefill_s
        return seconds
