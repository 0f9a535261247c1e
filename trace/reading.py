"""A trace that was recorded (`kernel/tracer.py` says what is in it), read from its file."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from ..kernel.engine.driver import Capacity, Costs
from ..kernel.scheduling.settings import Settings
from ..kernel.trace_file import VERSION
from ..kernel.tracer import Event

T = TypeVar("T")


class TraceError(Exception):
    """The file, or what is to be done with it, is at fault; the message is for its user."""


@dataclass(frozen=True, slots=True)
class Trace:
    """`whole`: the recording came to its own end."""

    header: dict[str, Any]
    events: tuple[Event, ...]
    whole: bool
    lost: int = 0

    @property
    def lasted_s(self) -> float:
        return float(self.events[-1]["t"]) if self.events else 0.0

    @property
    def capacity(self) -> Capacity:
        """Of the engine, as it was first. Raises TraceError if it was never ready."""
        for event in self.events:
            if event["e"] == "engine":
                return _made(Capacity, event["capacity"])
        raise TraceError("the engine was not ready while this was recorded: nothing ran")

    @property
    def policy(self) -> tuple[str, Settings]:
        """By which it was scheduled, at the beginning."""
        for event in self.events:
            if event["e"] == "policy":
                return event["name"], _made(Settings, event["settings"])
        raise TraceError("the trace does not say by which policy it was scheduled")

    @property
    def policies(self) -> list[str]:
        """All by which it was scheduled, in their order."""
        return [event["name"] for event in self.events if event["e"] == "policy"]

    @property
    def costs(self) -> Costs | None:
        """Of the engine's steps, if they were known when it was recorded."""
        found = self.header.get("costs")
        return None if found is None else _made(Costs, found)


def read(path: Path) -> Trace:
    """Raises TraceError. A last line that a crash has torn is left out."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise TraceError(f"{path} cannot be read: {error.strerror}") from None
    if lines and not lines[-1].endswith(b"\n"):
        del lines[-1]
    try:
        header, *events = map(json.loads, lines)
        version = header["llmos_trace"]
    except (ValueError, KeyError, TypeError):
        raise TraceError(f"{path} is not a scheduling trace") from None
    if version != VERSION:
        raise TraceError(f"{path} is a trace of version {version}; this llmos reads {VERSION}")
    close = events.pop() if events and events[-1].get("e") == "close" else None
    lost = close["lost"] if close else 0
    return Trace(header, tuple(events), close is not None, lost)


def _made(kind: type[T], values: dict[str, Any]) -> T:
    """A later llmos may have written more than this one knows."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in known})
