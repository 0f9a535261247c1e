"""The account of the engine's KV blocks: whose working set is in there, and what is left.

The engine gives blocks out as sequences grow, and takes back what was used longest ago. If more
processes take turns than fit, each loses its blocks to the others before its next turn, and all
is computed again and again: thrashing. So this account admits a process when what it needs to
*finish* its turn fits beside the others, after the working set of Denning (1968). It is the
kernel's own view: the engine is not asked, and one that does not say what it has has room for all.
"""

from __future__ import annotations

import math

from .job import Head, Job


class Blocks:
    """`total` blocks of `block_tokens` tokens; 0 when it is not known how many there are."""

    def __init__(self, total: int = 0, block_tokens: int = 16) -> None:
        self.total = total
        self.block_tokens = block_tokens
        self.held = 0
        self._heads: dict[Head, int] = {}  # what is held of each

    @property
    def free(self) -> float:
        """Below 0 by what processes have needed more than was foreseen."""
        return self.total - self.held if self.total else math.inf

    def resize(self, total_tokens: int, block_tokens: int) -> None:
        """So much there is; 0 tokens: not known."""
        self.total, self.block_tokens = total_tokens // block_tokens, block_tokens

    def foresee(self, job: Job) -> None:
        """Set what the job needs, which must not be in an order meanwhile."""
        tokens = job.tokens + job.foreseen_output()
        job.need = max(1, -(-tokens // self.block_tokens) - self._prefix(job.head))

    def fits(self, job: Job) -> bool:
        """Beside all that is held?"""
        return self.wanted(job) <= self.free

    def wanted(self, job: Job) -> int:
        """Blocks that its admission would take, those of its head included."""
        return job.lack + sum(self._own(one) for one in job.head.chain() if not one.holders)

    def take(self, job: Job) -> None:
        """All that the job needs is held for it."""
        if not job.held:
            for head in job.head.chain():
                if not head.holders:
                    self._heads[head] = self._own(head)
                    self.held += self._heads[head]
                head.holders += 1
        self.held += job.lack
        job.held = max(job.need, job.held)

    def grow(self, job: Job) -> None:
        """It has as many tokens as it says: no fewer blocks."""
        needed = -(-job.tokens // self.block_tokens) - self._prefix(job.head)
        if needed > job.held:
            self.held += needed - job.held
            job.held = needed

    def shrink(self, job: Job) -> None:
        """To what its tokens take: it is not generating now."""
        needed = max(1, -(-job.tokens // self.block_tokens) - self._prefix(job.head))
        if needed < job.held:
            self.held -= job.held - needed
            job.held = needed

    def drop(self, job: Job) -> None:
        """Nothing is held for it any more; what the engine has of it stays until it needs room."""
        if job.held:
            self.held -= job.held
            job.held = 0
            for head in job.head.chain():
                head.holders -= 1
                if not head.holders:
                    self.held -= self._heads.pop(head)

    def _prefix(self, head: Head) -> int:
        """Blocks of a head, and of those that it goes on from."""
        return sum(map(self._own, head.chain()))

    def _own(self, head: Head) -> int:
        if head in self._heads:
            return self._heads[head]
        begun = 0 if head.above is None else head.above.tokens
        return max(0, head.tokens // self.block_tokens - begun // self.block_tokens)
