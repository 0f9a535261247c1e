"""What a plugin that observes is told of a call."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Observed(BaseModel):
    """A call of some process's. `call_id` is the same before and after it; times are not told: an
    observer has a clock."""

    model_config = ConfigDict(frozen=True)

    pid: int
    call_id: str
    name: str
    plugin: str
    arguments: dict[str, Any]
