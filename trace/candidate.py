"""A way to run a kernel: policy, settings of the scheduler, sizes of the engine; and the file that
tells a kernel to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from ..kernel.engine.driver import Capacity
from ..kernel.scheduling.settings import Settings
from .comparing import Setup
from .replay import Result
from .workload import Workload

SCHEDULER = tuple(field.name for field in fields(Settings))


@dataclass(frozen=True, slots=True)
class Candidate:
    policy: str
    settings: Settings
    max_num_seqs: int
    max_batched_tokens: int

    @classmethod
    def of(cls, made: Setup) -> Candidate:
        """As the trace was recorded."""
        sizes = made.capacity.max_num_seqs, made.capacity.max_batched_tokens
        return cls(made.policy, made.settings, *sizes)

    def capacity(self, engine: Capacity) -> Capacity:
        """Of that engine with these sizes; its KV cache is the same."""
        return replace(
            engine, max_num_seqs=self.max_num_seqs, max_batched_tokens=self.max_batched_tokens
        )

    def run(self, made: Setup, workload: Workload | None = None) -> Result:
        """In simulation."""
        if workload is not None:
            made = replace(made, recorded=replace(made.recorded, workload=workload))
        return made.run(self.policy, self.settings, self.capacity(made.capacity))

    def steps_to(self, other: Candidate) -> list[Candidate]:
        """With one of its values as the other one has it, for each in which they differ."""
        found = [
            replace(self, settings=replace(self.settings, **{name: getattr(other.settings, name)}))
            for name in SCHEDULER
            if getattr(self.settings, name) != getattr(other.settings, name)
        ]
        for name in ("max_num_seqs", "max_batched_tokens"):
            if getattr(self, name) != getattr(other, name):
                found.append(replace(self, **{name: getattr(other, name)}))
        return found

    def tables(self) -> dict[str, dict[str, str | float]]:
        """By the kernel's options."""
        return {
            "scheduler": {"policy": self.policy, **self.settings.given()},
            "engine": {
                "max_num_seqs": self.max_num_seqs,
                "max_num_batched_tokens": self.max_batched_tokens,
            },
        }

    def toml(self, evidence: Sequence[str]) -> str:
        """As a file that the kernel reads, with what speaks for it above."""
        lines = [f"# {line}".rstrip() for line in evidence]
        for table, values in self.tables().items():
            lines += ["", f"[{table}]"]
            lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        return "\n".join(lines) + "\n"
