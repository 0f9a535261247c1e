"""Feedback levels (Corbató et al., 1962): who has had least of the engine goes first.

How much an agent still has to do is not known; but where a few do most of the work, who has had
little is likely to be done soon. So the levels follow attained service, each several times as wide
as the one before. Within a level, who came to it first goes first, turn after turn: were it each
turn's arrival that decides, processes would take turns, and push each other out of the cache. For
the same reason a process gives up its blocks only to one of a lower level. Interactive ones have a
level before all others, for as many tokens a turn as a person would wait for.
"""

from __future__ import annotations

from math import log

from .job import Job
from .keyed import Keyed
from .order import Key

LEVEL_TOKENS = 200
"""Attained service up to which a process is in the first level: about what one answer takes."""

LEVEL_FACTOR = 3
"""The next level ends at so many times as much. With 2, processes lose their blocks more often."""


class FeedbackLevels(Keyed):
    def __init__(
        self, level_tokens: int = LEVEL_TOKENS, level_factor: float = LEVEL_FACTOR
    ) -> None:
        super().__init__()
        self.level_tokens, self.level_factor = level_tokens, level_factor

    def level(self, job: Job) -> int:
        """-1 for interactive work, else from 0."""
        if job.urgent:
            return -1
        if job.attained < self.level_tokens:
            return 0
        return 1 + int(log(job.attained / self.level_tokens, self.level_factor))

    def key(self, job: Job) -> Key:
        return (0 if job.level is None else job.level, *job.entered)

    def displaces(self, job: Job, other: Job) -> bool:
        return self.key(job)[0] < self.key(other)[0]
