"""Round robin: each has the engine for a quantum of tokens, and goes to the end of the queue."""

from __future__ import annotations

from .job import Job
from .keyed import Keyed
from .order import Key

QUANTUM_TOKENS = 128
"""Each turn of the wheel costs a process the last, partly filled block of its sequence, which is
computed anew."""


class RoundRobin(Keyed):
    def __init__(self, quantum_tokens: int = QUANTUM_TOKENS) -> None:
        super().__init__()
        self.quantum_tokens = quantum_tokens

    def key(self, job: Job) -> Key:
        return (job.place,)

    def yields(self, job: Job, tokens: int) -> bool:
        return tokens >= self.quantum_tokens
