"""Feedback levels (Corbató et al., 1962): who has had least of the engine goes first.

How much an agent still has to do is not known; but where a few do most of the work, who has had
little is likely to be done soon. So the levels follow attained service, doubling from one to the
next, and within a level arrival decides, which a finer order would spoil: processes that overtake
each other at every turn push each other out of the cache. Interactive ones have a level before all
others, for as many tokens a turn as a person would wait for.
"""

from __future__ import annotations

from math import frexp

from .job import Job
from .keyed import Keyed
from .order import Key

LEVEL_TOKENS = 512
"""Attained service up to which a process is in the first level; the next ends at twice as much."""

INTERACTIVE_TOKENS = 2048


class FeedbackLevels(Keyed):
    def __init__(self, level_tokens: int = LEVEL_TOKENS) -> None:
        super().__init__()
        self.level_tokens = level_tokens

    def level(self, job: Job) -> int:
        """-1 for interactive work, else from 0."""
        if job.interactive and job.attained < INTERACTIVE_TOKENS:
            return -1
        return max(0, frexp(job.attained / self.level_tokens)[1])

    def key(self, job: Job) -> Key:
        return (self.level(job), job.place)
