"""Scheduling policies: which runnable process goes next, a file each behind one contract.

A policy orders; it does not admit. What fits beside the others (`blocks.py`), who may not wait any
longer and who must give up what it holds is the run queue's (`run_queue.py`), the same for
all of them: so nobody starves and nothing is lost, whichever policy is chosen, or changed to.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Protocol

from .guarded import Guarded
from .job import Job
from .order import Key
from .settings import Settings


class Policy(Protocol):
    """What a policy has to offer. A job is added when its process becomes runnable and removed
    when it is admitted or withdrawn; in between its key does not change by itself."""

    working_set: bool
    """Admit only those whose blocks fit beside those of the others, or whenever a slot is free?"""

    preempts: bool
    """May an interactive process take the slot of another one, at a token?"""

    starves: bool
    """May somebody wait for ever, if others keep coming? Then the run queue sees to it that nobody
    does (which distorts shares, where a policy has such)."""

    def key(self, job: Job) -> Key:
        """Its place in the order, the lowest first, if it became runnable at `job.since`."""
        ...

    def displaces(self, job: Job, other: Job) -> bool:
        """May the job have the blocks of another one, which does not run but will go on soon, and
        must then be computed again? Both say what they have had by now."""
        ...

    def add(self, job: Job) -> None: ...

    def remove(self, job: Job) -> None: ...

    def first(self, free: float, fits: Callable[[Job], bool] | None = None) -> Job | None:
        """Of those that were added the first that lacks no more than `free` blocks, and of which
        `fits` holds."""
        ...

    def charge(self, job: Job, tokens: int, engine_s: float) -> None:
        """The job has had so much of the engine."""
        ...

    def yields(self, job: Job, tokens: int) -> bool:
        """Should a job that has generated `tokens` since its admission go to the queue again,
        given that others wait?"""
        ...

    def level(self, job: Job) -> int:
        """Which of its queues the job is in, for those who look; 0 where there is but one."""
        ...

    def forget(self, job: Job) -> None:
        """Its process has ended."""
        ...


DEFAULT = "mlfq"
ENTRY_POINTS = "llmos.scheduling"
"""The group under which a package offers a policy: an object that is called without arguments, or
with those of `Settings` that it names."""


def names() -> list[str]:
    """Of all policies that can be chosen."""
    return sorted(entry_points(group=ENTRY_POINTS).names)


def load(name: str, settings: Settings = Settings()) -> Policy:  # noqa: B008
    """Raises ValueError, with the names there are."""
    found = list(entry_points(group=ENTRY_POINTS, name=name))
    if not found:
        raise ValueError(f"there is no scheduling policy {name!r}; there are {', '.join(names())}")
    if len(found) > 1:
        owners = ", ".join(sorted(point.value for point in found))
        raise ValueError(f"the scheduling policy {name!r} is offered by more than one: {owners}")
    return checked(name, made(found[0].load(), settings))


def made(offer: Callable[..., Policy], settings: Settings) -> Policy:
    """By what offers it, which is given those of the settings that it names."""
    given = settings.given()
    taken = inspect.signature(offer).parameters if given else {}
    return offer(**{name: value for name, value in given.items() if name in taken})


def checked(name: str, policy: Policy) -> Policy:
    """A policy as the queue may use it: one that is not ours is guarded. Raises ValueError for what
    is none."""
    missing = [part for part in _PARTS if not hasattr(policy, part)]
    if missing:
        raise ValueError(f"the scheduling policy {name!r} has no {', '.join(missing)}")
    return policy if type(policy).__module__.startswith(f"{__name__}.") else Guarded(policy)


_PARTS = ("working_set", "preempts", *(name for name in vars(Policy) if not name.startswith("_")))
