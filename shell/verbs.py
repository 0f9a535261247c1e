"""All verbs: importing the nouns' files declares them, in the order in which help shows them."""

from __future__ import annotations

# isort: off
from . import running, pipeline, processes, scheduling, tracing, signalling, jobs, keeping  # noqa: F401
from . import memory, knowledge, syscalls, plugins, calling, mounts, boot, help  # noqa: F401

# isort: on
from .verb import TABLE

__all__ = ["TABLE"]
